"""The events of a run: what a trainer appends to `events.jsonl`, one JSON object a line.

Schema 1 is a union tagged by `type`. Python's own JSON writes `NaN` and `Infinity`, which is not JSON, and msgspec writes
`null`, which here means "not measured". Exploding runs are the subject, so non-finite numbers travel as the strings
`"nan"`, `"inf"` and `"-inf"` and come back as floats: the round trip is lossless and `jq` reads every line.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
from msgspec import Struct

SCHEMA = 1

Value = bool | int | float | str
"""What a toggle can be set to."""

Numbers = list[float | None]
"""One number per layer, in layer order. None: not measured, or there is no gradient (None is not 0). Empty: not on this frame."""


class Layer(Struct, frozen=True, kw_only=True):
    """One row: a module that owns parameters, or a time step of an unrolled recurrent network."""

    name: str
    kind: str
    """The module's class as PyTorch spells it (`Linear`), or `time step`."""
    shape: list[int] = []
    parameters: int = 0
    frozen: bool = False
    updated: bool = True
    """Whether an optimizer has any of its parameters."""
    group: str = ""
    """Which of several networks it belongs to (`generator`, `critic`); empty when there is only one."""


class Toggle(Struct, frozen=True, kw_only=True):
    """Something that can be changed while it trains, as the trainer offers it."""

    key: str
    label: str
    kind: str
    """`choice` or `number`."""
    value: Value
    choices: list[str] = []
    minimum: float | None = None
    maximum: float | None = None
    hotkey: str = ""
    """The key on the screen that changes it; empty: reached through the panel only."""
    live: bool = True
    """False: it takes effect at the next restart."""
    applies: bool = True
    reason: str = ""
    """Why it does not apply here."""


AGAIN = ("init", "warmup")
"""Toggles that act also where they are set to what they are: weights are drawn anew, a warm-up begins."""


class Hello(Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """The first event of a run, and of every restart in it."""

    schema: int = SCHEMA
    run: str
    scenario: dict[str, Any]
    """The scenario, whole, as resolved with `--set`; of a watched training what is known of it, and `watched`."""
    seed: int
    device: str
    versions: dict[str, str]
    pid: int
    host: str
    started: float
    """Seconds since the epoch."""
    born: int | None = None
    """When the process `pid` began, as `liveness.birth` tells it: numbers are given again."""
    layers: list[Layer]
    toggles: list[Toggle]
    steps: int | None = None
    """How many steps this run will take; None: until it is stopped."""
    attempt: int = 0
    """How many restarts came before, in this run."""

    @property
    def watched(self) -> bool:
        """Whether it is a training of somebody's own rather than one of the lab's."""
        return bool(self.scenario.get("watched"))

    @property
    def scenario_name(self) -> str:
        """Which scenario is trained; empty: none, or none that says its name."""
        return "" if self.watched else str(self.scenario.get("name", ""))


class Frame(Struct, frozen=True, kw_only=True, tag_field="type", tag="frame"):
    """The measurements of one step, in the gradient's true scale, before clipping.

    `step` counts from 0: the frame of step s holds the gradients that the update s -> s+1 used.
    """

    step: int
    time: float
    """Seconds since the trainer's start."""
    loss: float | None = None
    """The data loss, without the regulariser."""
    metrics: dict[str, float] = {}
    lr: float | None = None
    steps_per_second: float | None = None
    total_norm: float | None = None
    """Norm of the whole gradient before clipping, the regulariser's share included."""
    clipped_norm: float | None = None
    """The same after clipping; equal to total_norm when nothing was clipped."""
    delta_rms: Numbers = []
    """r.m.s. over batch and units of the data loss's gradient at the layer's pre-activation."""
    grad_norm: Numbers = []
    """2-norm of the data loss's gradient with respect to the layer's parameters."""
    grad_norm_min: Numbers = []
    """Smallest grad_norm over the steps since the last frame, this one included."""
    grad_norm_max: Numbers = []
    grad_rms: Numbers = []
    grad_max: Numbers = []
    """Largest absolute entry."""
    grad_zero: Numbers = []
    """Fraction of entries that are exactly zero."""
    grad_subnormal: Numbers = []
    """Fraction of entries that are not zero, and smaller than the smallest normal number of what the backward pass computed in: with
    float16 and a loss scale, of the scaled gradient in float16. They are on their way to zero, and have lost digits already."""
    grad_nonfinite: Numbers = []
    """How many entries are NaN or infinite."""
    penalty_norm: Numbers = []
    """2-norm of the regulariser's gradient, measured apart from the data loss's."""
    weight_norm: Numbers = []
    update_ratio: Numbers = []
    """norm of the weights' change in this step over the weights' norm before it."""
    effective_units: Numbers = []
    """Of up to 16 of the layer's units, how many differ: n² over the sum of their weights' squared cosines; 1: all are one."""
    activation_mean: Numbers = []
    activation_std: Numbers = []
    saturated: Numbers = []
    """Fraction of tanh or sigmoid outputs whose slope is under a tenth of its maximum."""
    dead: Numbers = []
    """Fraction of ReLU-family units whose slope stays at or under .011 over the whole batch."""


SCHEDULED = "at-"


class Applied(Struct, frozen=True, kw_only=True, tag_field="type", tag="applied"):
    """A command's answer: in force from `step` on, or refused."""

    id: str
    """The command's; `SCHEDULED` and the step of what was scheduled before the training began."""
    step: int
    toggle: str
    """The toggle's key, or the verb (`pause`, `restart` …)."""
    value: Value | None = None
    reason: str = ""
    """Why it was refused; empty: it was applied."""
    note: str = ""
    """What a person should know about how it was applied."""


class Log(Struct, frozen=True, kw_only=True, tag_field="type", tag="log"):
    """A line that the trainer printed, or that gradtui has to say about the recording."""

    text: str


class End(Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """The last event of a trainer that could still speak."""

    reason: str
    """`finished`, `stopped` or `crashed`."""
    step: int
    """The last step taken; -1: none."""
    error: str = ""
    logged: dict[str, float] = {}
    """What a watched loop logged after its last frame, a final `eval_loss` say; the loss is under `loss`."""


Event = Hello | Frame | Applied | Log | End

_encoder = msgspec.json.Encoder()
# strict=False is what turns the strings "nan" and "inf" back into floats.
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event, strict=False)

_CONTROLS = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""Those that JSON lets through and terminals obey: U+009B opens an escape sequence. Where JSON has one, it is part of a string."""


def encode(event: object) -> bytes:
    """The event, or what else msgspec knows, as one line of JSON, newline included. Never raises for what a float or a text may hold."""
    fields = spell_nonfinite(msgspec.to_builtins(event))
    try:
        line = _encoder.encode(fields)
    except UnicodeEncodeError:  # a path or a print whose bytes were not UTF-8: no reason to stop a training
        line = _encoder.encode(_spell_surrogates(fields))
    return _CONTROLS.sub(_escaped, line) + b"\n"


def _escaped(control: re.Match[bytes]) -> bytes:
    return b"\\u00%02x" % control[0][-1]


def decode(line: bytes) -> Event:
    """The event on one line. Raises msgspec.DecodeError or ValidationError (its subclass) on anything else."""
    return _decoder.decode(line)


def _spell_surrogates(value: Any) -> Any:
    """`value` with every lone surrogate, which UTF-8 cannot say, spelled as `\\udcff`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_spell_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_spell_surrogates(key): _spell_surrogates(item) for key, item in value.items()}
    return value


def spell_nonfinite(value: Any) -> Any:
    """`value` with every non-finite float spelled as a string, in nested dicts and lists too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return [spell_nonfinite(item) if isinstance(item, (float, list, dict)) else item for item in value]
    if isinstance(value, dict):
        return {key: spell_nonfinite(item) for key, item in value.items()}
    return value
