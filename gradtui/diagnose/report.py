"""What a post-mortem says: the outcome, what went wrong first, every warning's spell, what was tried, and the profiles that matter."""

from __future__ import annotations

from msgspec import Struct

from gradtui.diagnose.at_init import Theory
from gradtui.diagnose.history import Point
from gradtui.diagnose.unjudged import Unjudged
from gradtui.diagnose.warnings import Try
from gradtui.stream.events import Numbers, Value


class Snapshot(Struct, kw_only=True):
    """One frame's profile."""

    attempt: int
    step: int
    loss: float | None
    quantity: str
    """`delta`, or `gradient`: the norm of the weights' own, where delta was not measured."""
    layers: list[str]
    values: Numbers
    spans: dict[str, float]
    """Decades, by network; negative: vanishing toward the input. Of delta only."""


class Spell(Struct, kw_only=True, rename={"try_": "try"}):
    """One warning from its opening to its close."""

    attempt: int
    code: str
    since: int
    """The first step at which what opened it held."""
    opened: int
    severity: str
    """The worst that it became."""
    layers: list[str]
    sentence: str
    try_: list[Try]
    closed: int | None = None
    """None: it was open at the end."""


class Trial(Struct, kw_only=True):
    """What was changed at one moment, and what was seen until the next change or the end."""

    attempt: int
    step: int
    settings: dict[str, Value]
    """The toggles that came into force; empty: a restart without any."""
    restart: bool = False
    loss_before: float | None = None
    loss_after: float | None = None
    closed: list[str] = []
    opened: list[str] = []
    verdict: str = "same"
    """`better`, `worse` or `same`, by the warnings and the loss that followed: not proof of what caused it."""


class Report(Struct, kw_only=True, tag_field="type", tag="report"):
    """A recording's post-mortem."""

    run: str
    scenario: str
    """Empty: it was none of the lab's."""
    watched: bool
    """It was a training of somebody's own."""
    device: str
    seed: int | None
    attempts: int
    outcome: str
    """`finished`, `stopped`, `crashed`, or `not ended`."""
    error: str
    frames: int
    """Recorded of the last attempt."""
    steps: int
    """That they span."""
    last_step: int | None
    loss: float | None
    first: Spell | None
    """What went wrong first: of the warnings that were more than information (or of all, if none was) the one that had held since
    the earliest step, causes before what they bring about."""
    untried: list[Try]
    """What was suggested against it and never set."""
    spells: list[Spell]
    unjudged: list[Unjudged]
    """The rules whose silence says nothing, in their order."""
    trials: list[Trial]
    snapshots: dict[str, Snapshot]
    """`start`, `worst` (the steepest profile) and `end`, those that there are."""
    theory: Theory | None
    losses: list[list[Point]]
    """Of each attempt, the last 20: at most 500 points, extremes kept."""
