"""A warning: a named pathology, with what was measured where and which toggle to try."""

from __future__ import annotations

from msgspec import Struct

from gradtui.stream.events import Value

SEVERITIES = ("information", "warning", "critical")


class Evidence(Struct, frozen=True, kw_only=True):
    """What was measured where, in a few words, in one sentence, and as numbers (`since`: the first step at which it held)."""

    brief: str
    sentence: str
    numbers: dict[str, float] = {}


class Try(Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """A toggle setting that helped networks with this pathology."""

    toggle: str
    value: Value
    why: str
    """On what evidence; begins with what must be done beside it."""
    with_: dict[str, Value] = {}
    """Settings of other toggles without which it does not help."""

    @property
    def settings(self) -> dict[str, Value]:
        """All that must be set, in order."""
        return {self.toggle: self.value, **self.with_}

    @property
    def after_restart(self) -> bool:
        """It helps only from a restart on: what is there is past mending."""
        return self.why.startswith(("then restart", "after a restart"))


class Warning(Struct, frozen=True, kw_only=True, tag_field="type", tag="warning", rename={"try_": "try"}):
    """One edge of a pathology; in `RunState.open` the latest edge of one that has not closed."""

    code: str
    state: str
    """`opened`, `escalated` (its severity has risen, since it is worse or since it lasts, or nothing mitigates it any more),
    `mitigated` (still there, but something takes away its effect) or `closed`."""
    step: int
    severity: str
    """`information`, `warning` or `critical`."""
    layers: list[str]
    evidence: Evidence
    try_: list[Try] = []
    mitigated: str = ""
    """What takes away its effect (`clipping`); empty: nothing does."""
