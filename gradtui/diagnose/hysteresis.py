"""Hysteresis, once for all rules: when what a rule finds in each frame becomes a warning, and when it stops being one.

A rule's levels each ask for a number of consecutive records (frames that the rule could judge); the warning opens at the
first level reached, escalates when a more severe one is, and closes after enough cleared records. It does not de-escalate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradtui.diagnose.warnings import SEVERITIES, Evidence

if TYPE_CHECKING:
    from gradtui.diagnose.signals import Signals

MITIGATED_RECORDS = 5
"""Records for which a mitigation must hold, or be gone, before the warning says so."""


@dataclass(frozen=True)
class Level:
    """Reached when its condition held on `records` consecutive records that span at least `steps` steps."""

    severity: str
    records: int
    steps: int = 1


@dataclass(frozen=True)
class Edge:
    """A change of a warning's state, and the step since which what opened it holds."""

    state: str
    severity: str
    since: int
    mitigated: str = ""


@dataclass(frozen=True)
class Finding:
    """What a warning says at an edge: the layers' raw names, and the evidence."""

    layers: list[str]
    evidence: Evidence


@dataclass(frozen=True)
class Reading:
    """What a rule found in one frame. `met` has one entry per level of the rule."""

    met: tuple[bool, ...]
    cleared: bool
    describe: Callable[[Edge], Finding]
    """The finding behind an edge; called only when there is one."""
    mitigated: str = ""


@dataclass(frozen=True)
class Rule:
    """One pathology. `judge` gives None for a frame that does not hold what the rule reads."""

    code: str
    levels: tuple[Level, ...]
    judge: Callable[[Signals], Reading | None]
    close: Level | None
    """What the cleared records must reach; its severity means nothing. None: latched until a restart."""
    frames: int
    """The fewest after which it can open, what its medians and windows need first included; a frame a step, from step 0."""
    steps: int = 1
    """The fewest that those frames must span."""
    profile: bool = False
    """Whether it reads delta's profile: frames without one do not count among the fewest."""


@dataclass
class Streak:
    """Consecutive records on which something held."""

    records: int = 0
    since: int = 0

    def note(self, holds: bool, step: int) -> None:
        if not holds:
            self.records = 0
        elif self.records == 0:
            self.records, self.since = 1, step
        else:
            self.records += 1

    def reaches(self, level: Level, step: int) -> bool:
        return self.records >= level.records and step - self.since + 1 >= level.steps


class Tracker:
    """One rule's memory in one attempt."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.records = 0
        """Frames so far that the rule could judge."""
        self._reset()

    def _reset(self) -> None:
        self._severity = ""
        self._mitigated = ""
        self._since = 0
        self._streaks = [Streak() for _ in self.rule.levels]
        self._cleared = Streak()
        self._mitigation = Streak()

    def start_over(self) -> None:
        """The network was changed: what held until now is no reason to warn of what it is from now on. An open warning stays."""
        for streak in self._streaks:
            streak.records = 0

    def observe(self, reading: Reading, step: int) -> Edge | None:
        """Take one record in; the edge that it causes, if any."""
        self.records += 1
        for streak, met in zip(self._streaks, reading.met, strict=True):
            streak.note(met, step)
        severity, since = self._reached(step)
        if _rank(severity) > _rank(self._severity):
            return self._worse(severity, since)
        if not self._severity:
            return None
        self._cleared.note(reading.cleared, step)
        if self.rule.close is not None and self._cleared.reaches(self.rule.close, step):
            edge = Edge("closed", self._severity, self._since)
            self._reset()
            return edge
        return self._mitigation_edge(reading.mitigated, step)

    def _reached(self, step: int) -> tuple[str, int]:
        """The most severe level reached and since when; of equals the one that has held longest."""
        best, since = "", step
        for level, streak in zip(self.rule.levels, self._streaks, strict=True):
            if streak.reaches(level, step):
                gain = _rank(level.severity) - _rank(best)
                if gain > 0 or (gain == 0 and streak.since < since):
                    best, since = level.severity, streak.since
        return best, since

    def _worse(self, severity: str, since: int) -> Edge:
        state = "escalated" if self._severity else "opened"
        if state == "opened":
            self._since = since
        self._severity, self._cleared = severity, Streak()
        return Edge(state, severity, self._since, self._mitigated)

    def _mitigation_edge(self, mitigated: str, step: int) -> Edge | None:
        self._mitigation.note(mitigated != self._mitigated, step)
        if self._mitigation.records < MITIGATED_RECORDS:
            return None
        self._mitigated, self._mitigation = mitigated, Streak()
        return Edge("mitigated" if mitigated else "escalated", self._severity, self._since, mitigated)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity else -1
