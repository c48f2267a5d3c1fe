"""`gradtui show`: every preset in a screenful, with commands that do what they say."""

from __future__ import annotations

import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from gradtui import describe
from gradtui.lab import toggles
from gradtui.lab.scenario import Scenario, catalog, check, load
from gradtui.stream.events import Frame
from gradtui.stream.follower import read_all

ROWS = 23
"""A screen of 24 with the prompt below."""


def made(**fields: object) -> Scenario:
    table = {"name": "mine", "title": "Mine", "shows": "Nothing", "model": "mlp", "data": "digits", "steps": 600}
    return check(table | fields, "mine.toml")


@pytest.mark.parametrize("scenario", catalog(), ids=lambda scenario: scenario.name)
def test_a_preset_fits_a_screen_of_80_by_24(scenario: Scenario) -> None:
    rows = describe.text(scenario, scenario.name).splitlines()
    assert len(rows) <= ROWS
    assert max(map(len, rows)) <= describe.WIDTH


@pytest.mark.parametrize("scenario", catalog(), ids=lambda scenario: scenario.name)
def test_a_presets_commands_are_its_first_cure(scenario: Scenario) -> None:
    """Every preset that is sick names a cure first that can be typed, and it can be typed as it stands."""
    for command in describe.commands(scenario, scenario.name):
        words = shlex.split(command)
        assert words[:3] == ["gradtui", "run", scenario.name]
        assert "--set" in words or "--at" in words or scenario.group == "Healthy"
        for flag, value in pairwise(words):
            if flag == "--set":
                toggles.parse_setting(scenario, value)
            if flag == "--at":
                toggles.parse_scheduled(scenario, value)


def test_the_first_thing_to_try_may_be_several_settings() -> None:
    scenario = made(**{"try": ["clip=norm with l2=0.001: .79, and clip=norm alone: .66", "init=he: .87"]})
    assert describe.commands(scenario, "mine.toml") == [
        "gradtui run mine.toml --set clip=norm --set l2=0.001",
        "gradtui run mine.toml --headless --at 300:clip=norm --at 300:l2=0.001",
    ]


def test_a_rescue_stands_for_the_cure_half_way() -> None:
    scenario = made(rescue=["50:clip=norm", "60:init=orthogonal"], **{"try": ["lr=0.02: .98"]})
    assert describe.commands(scenario, "mine.toml") == [
        "gradtui run mine.toml --set lr=0.02",
        "gradtui run mine.toml --headless --at 50:clip=norm --at 60:init=orthogonal",
    ]


RESCUED = {"dying-relu": 0.9, "half-precision": 0.8, "exploding-relu": 0.9, "dead-relu": 0.9, "slow-learning-rate": 0.9}
"""Accuracies, well under what was measured; chance is .1. Each of these ends at chance or as NaN without the rescue."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RESCUED)
def test_the_rescue_that_is_shown_rescues(name: str, tmp_path: Path) -> None:
    command = describe.commands(load(name), name)[1]
    run = tmp_path / "run"
    subprocess.run([sys.executable, "-m", *shlex.split(command), "--run-dir", str(run)], check=True, capture_output=True, timeout=300)
    newest = [event for event in read_all(run / "events.jsonl") if isinstance(event, Frame)][-1]
    assert newest.metrics["accuracy"] >= RESCUED[name]


@pytest.mark.parametrize("advice", [[], ["a smaller learning rate"], ["cip=norm: a typing error"], ["depth=0.5: not a whole number"]])
def test_without_a_cure_that_can_be_typed_the_scenario_itself_is_the_command(advice: list[str]) -> None:
    assert describe.commands(made(**{"try": advice}), "my own.toml") == ["gradtui run 'my own.toml'"]


def test_a_command_longer_than_a_row_can_still_be_copied() -> None:
    scenario = made(**{"try": ["optimizer=adagrad with lr=0.1 and batch_norm=no_affine: better"]})
    shown = describe.text(scenario, "my-own-scenario.toml")
    start = shown.index("gradtui run my-own-scenario.toml --headless")
    lines = shown[start:].split("\n")
    count = next(index for index, line in enumerate(lines) if not line.endswith("\\")) + 1
    assert count > 1
    typed = shlex.split("\n".join(lines[:count]).replace("\\\n", ""))
    assert typed == shlex.split(describe.commands(scenario, "my-own-scenario.toml")[1])
    assert not any(line.rstrip(" \\").endswith("--at") for line in lines[:count])


def test_toggles_come_with_their_keys_and_values_and_others_with_the_reason() -> None:
    shown = " ".join(describe.text(made(settings={"lr": 0.25}), "mine").split())
    assert "n batch_norm=off" in shown
    assert "e lr=0.25" in shown
    assert "cell, forget_bias, leaky_state: no recurrent cell;" in shown.partition("Not here")[2]
    assert "cell=" not in shown
