"""The toggles of networks that read sequences: recurrent cells, layer normalisation, and the warm-up that transformers need."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gradtui.lab.declaration import OWN_NORMS, Declaration, Settings, needs

if TYPE_CHECKING:
    from gradtui.lab.learner import Learner
    from gradtui.lab.scenario import Scenario

_RECURRENT_ONLY = needs({"rnn"}, "{model} has no recurrent cell")
_LAYER_NORMS = {"rnn": ("off", "on"), "transformer": ("off", "pre", "post")}


def _set_cell(learner: Learner, settings: Settings) -> str:
    learner.set_cell()
    return "a new cell, its weights just drawn"


def _set_forget_bias(learner: Learner, settings: Settings) -> str:
    learner.set_gate_bias()
    return "in force with cell=lstm or gru" if settings["cell"] == "rnn" else "the gate's bias set afresh"


def _set_leak(learner: Learner, settings: Settings) -> str:
    learner.set_leak()
    return "" if settings["cell"] == "rnn" else "in force with cell=rnn"


def _set_layer_norm(learner: Learner, settings: Settings) -> str:
    learner.set_layer_norm()
    if settings.get("cell", "rnn") != "rnn":
        return "in force with cell=rnn"
    return "" if settings["layer_norm"] == "off" else "scale and shift start afresh"


def _layer_norms_of(toggle: Declaration, scenario: Scenario) -> Declaration:
    return dataclasses.replace(toggle, choices=_LAYER_NORMS.get(scenario.model, toggle.choices))


def _start_warmup(learner: Learner, _: Settings) -> str:
    learner.start_warmup()
    return ""


CELL = Declaration(
    "cell",
    "cell",
    "What is unrolled in time: a plain cell (Elman 1990), an LSTM (Hochreiter 1997) or a GRU (Cho 2014). Changing it draws a new one;"
    " gated ones are drawn orthogonal whatever init says.",
    default="rnn",
    choices=("rnn", "lstm", "gru"),
    hotkey="u",
    applies=_RECURRENT_ONLY,
    apply=_set_cell,
)

FORGET_BIAS = Declaration(
    "forget_bias",
    "gate bias",
    "Where the bias of the gate that keeps the memory starts: the forget gate of an LSTM, the update gate of a GRU; 0 forgets half in"
    " every step (Gers 2000, Jozefowicz 2015).",
    default=1.0,
    minimum=-100,
    maximum=100,
    applies=_RECURRENT_ONLY,
    apply=_set_forget_bias,
)

LEAKY_STATE = Declaration(
    "leaky_state",
    "leaky state α",
    "Of cell=rnn: h' = (1−α)·h + α·φ(…) (Jaeger 2007); 1 keeps nothing of h beside φ.",
    default=1.0,
    minimum=1e-6,
    maximum=1,
    applies=_RECURRENT_ONLY,
    apply=_set_leak,
)

LAYER_NORM = Declaration(
    "layer_norm",
    "layer norm",
    "Layer normalisation (Ba 2016): of the pre-activations of cell=rnn; in a transformer before each branch, `pre`, or after each sum,"
    " `post` (Xiong 2020).",
    default="off",
    choices=("off", "on", "pre", "post"),
    hotkey="h",
    applies=needs({"rnn", "transformer"}, "{model} has no layer normalisation here", OWN_NORMS),
    apply=_set_layer_norm,
    adapt=_layer_norms_of,
)

WARMUP = Declaration(
    "warmup",
    "warm-up",
    "Steps in which the learning rate climbs in a line from 0 to lr, counted from when this is set (Goyal 2017).",
    default=0,
    maximum=1e6,
    whole=True,
    hotkey="w",
    apply=_start_warmup,
)
