"""The toggles of what a training computes on: its data and its precision."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gradtui.lab import families, files
from gradtui.lab.declaration import Declaration, waits_for
from gradtui.stream.events import Value

if TYPE_CHECKING:
    from gradtui.lab.scenario import Scenario


def _one_data_set(scenario: Scenario) -> str:
    alone = len(families.data_choices(scenario.model, scenario.data)) == 1
    return f"{families.spoken(scenario.model)} has no other data here" if alone else ""


def _data_of(toggle: Declaration, scenario: Scenario) -> Declaration:
    return dataclasses.replace(toggle, choices=families.data_choices(scenario.model, scenario.data), default=scenario.data)


def _there(value: Value) -> None:
    files.require(str(value))


DATA = Declaration(
    "data",
    "data",
    f"What it trains on; MNIST and CIFAR-10 through torchvision, from its files in ${files.ENVIRONMENT} or the user's data directory.",
    default="digits",
    choices=("digits", "mnist", "cifar10", "spirals"),
    live=False,
    applies=_one_data_set,
    adapt=_data_of,
    require=_there,
)

PRECISION = Declaration(
    "precision",
    "precision",
    "What the forward and backward passes compute in, by autocast; the weights stay fp32.",
    default="fp32",
    choices=("fp32", "bf16", "fp16"),
    applies=lambda scenario: "a gradient penalty's double backward stays in fp32" if scenario.model == "wgan" else "",
)

LOSS_SCALE = Declaration(
    "loss_scale",
    "loss scale",
    "The loss is multiplied by it before the backward pass and the gradients are divided by it after (Micikevicius 2018).",
    default=1.0,
    minimum=2.0**-24,
    maximum=2.0**24,
    applies=PRECISION.applies,
    apply=waits_for("precision=fp16 or bf16", lambda settings: settings["precision"] != "fp32"),
)
