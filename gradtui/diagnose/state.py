"""What is known of a run at one moment: a pure reducer over its events.

Live, attached and replayed viewers feed it the same events and so show the same state and the same warnings. It reads no
clock and no file, and its memory is bounded however long the run is.
"""

from __future__ import annotations

from collections import deque

import msgspec

from gradtui.diagnose.history import History
from gradtui.diagnose.hysteresis import Edge, Reading, Tracker
from gradtui.diagnose.remedies import tries
from gradtui.diagnose.rules import RULES
from gradtui.diagnose.signals import Signals
from gradtui.diagnose.warnings import Evidence, Warning
from gradtui.diagnose.words import full_name
from gradtui.stream.commands import VERBS
from gradtui.stream.events import AGAIN, Applied, End, Event, Frame, Hello, Log, Value

LOG_LINES = 1000
LOG_LINE = 4000
"""Characters kept of one line."""
WARNINGS = 1000

UNFELT = ("pace",)
"""Toggles that the network does not feel: nothing that follows is their doing, so they leave no mark."""


class RunState:
    """The state of a run after the events applied so far."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.frame: Frame | None = None
        """The newest of this attempt."""
        self.first: Frame | None = None
        """The first of this attempt."""
        self.frames = 0
        """How many of this attempt there have been."""
        self.ghost: Frame | None = None
        """The last frame before the last toggle or restart; None: there was none, or it was of other layers."""
        self.settings: dict[str, Value] = {}
        """The toggles as they stand now."""
        self.paused = False
        self.end: End | None = None
        self.attempt = 0
        self.open: dict[str, Warning] = {}
        """The open warnings' latest edges, by code."""
        self.warnings: list[Warning] = []
        """Every edge of this attempt, in order; the last 1000."""
        self.history = History()
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._signals: Signals | None = None
        self._trackers: list[Tracker] = []

    def apply(self, event: Event) -> list[Warning]:
        """Take one event in; returns the warnings' edges that it caused."""
        match event:
            case Frame():
                return self._frame(event)
            case Hello():
                return self._hello(event)
            case Applied():
                self._applied(event)
            case Log():
                self.log.append(event.text[:LOG_LINE])
            case End():
                self.end = event
        return []

    @property
    def steps(self) -> int:
        """How many steps this attempt's frames span."""
        return self.frame.step - self.first.step + 1 if self.first and self.frame else 0

    @property
    def judged(self) -> dict[str, int]:
        """How many frames of this attempt each rule could judge, by code."""
        return {tracker.rule.code: tracker.records for tracker in self._trackers}

    def _hello(self, hello: Hello) -> list[Warning]:
        edges = [self._closed_by_restart(warning) for warning in self.open.values()]
        if self.hello is not None:
            self.attempt = max(self.attempt + 1, hello.attempt)
            alike = [full_name(layer) for layer in self.hello.layers] == [full_name(layer) for layer in hello.layers]
            self.ghost = (self.frame or self.ghost) if alike else None
            self.history.restart()
        else:
            self.attempt = hello.attempt
        self.hello = hello
        self.frame = self.first = self.end = None
        self.frames = 0
        self.paused = False
        self.settings = {toggle.key: toggle.value for toggle in hello.toggles}
        self.open, self.warnings = {}, []
        self._signals = Signals(hello, self.settings, self.open)
        self._trackers = [Tracker(rule) for rule in RULES]
        return edges

    def _closed_by_restart(self, warning: Warning) -> Warning:
        evidence = Evidence(brief="restarted", sentence="the run was restarted")
        step = self.frame.step if self.frame else warning.step
        return msgspec.structs.replace(warning, state="closed", step=step, evidence=evidence, try_=[])

    def _applied(self, applied: Applied) -> None:
        if applied.reason:
            return
        if applied.toggle in VERBS:
            if applied.toggle in ("pause", "step", "resume"):
                self.paused = applied.toggle != "resume"
            return
        if applied.value is None:
            return
        felt = self.felt(applied)
        self.settings[applied.toggle] = applied.value
        if felt:
            self.ghost = self.frame or self.ghost
            for tracker in self._trackers:
                tracker.start_over()
            if self._signals is not None:
                self._signals.changed = applied.step
            self.history.mark(applied.step, applied.toggle, applied.value)

    def felt(self, applied: Applied) -> bool:
        """Whether the network will have changed by what `applied` tells, which has not been taken in yet."""
        if applied.reason or applied.value is None or applied.toggle in VERBS or not self.acts(applied.toggle):
            return False
        return applied.toggle in AGAIN or self.settings.get(applied.toggle) != applied.value

    def acts(self, key: str) -> bool:
        """Whether the network feels a toggle, and before the next restart: one that it does not leaves no trace on the curves."""
        toggles = self.hello.toggles if self.hello else []
        return key not in UNFELT and all(toggle.live for toggle in toggles if toggle.key == key)

    def _frame(self, frame: Frame) -> list[Warning]:
        self.frame = frame
        self.first = self.first or frame
        self.frames += 1
        self.history.add(frame)
        if self._signals is None:  # a recording whose beginning is gone: there are no layers to judge by
            return []
        self._signals.note(frame)
        edges = []
        for tracker in self._trackers:
            reading = tracker.rule.judge(self._signals)
            edge = tracker.observe(reading, frame.step) if reading is not None else None
            if reading is not None and edge is not None:
                edges.append(self._record(tracker.rule.code, edge, reading, self._signals))
        return edges

    def _record(self, code: str, edge: Edge, reading: Reading, signals: Signals) -> Warning:
        finding = reading.describe(edge)
        closed = edge.state == "closed"
        warning = Warning(
            code=code,
            state=edge.state,
            step=signals.frame.step,
            severity=edge.severity,
            layers=self.open[code].layers if closed else finding.layers,
            evidence=finding.evidence,
            try_=[] if closed else tries(code, signals),
            mitigated=edge.mitigated,
        )
        if closed:
            del self.open[code]
        else:
            self.open[code] = warning
            signals.seen.add(code)
        self.warnings.append(warning)
        del self.warnings[:-WARNINGS]
        return warning
