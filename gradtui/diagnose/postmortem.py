"""What a recording tells once it is over: what went wrong first, when and where, what was tried, and what changed with it.

A fold over the events, like the state that it keeps; its memory is bounded, so that the longest recording has a report too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from gradtui.diagnose import profile
from gradtui.diagnose.at_init import Theory, compare
from gradtui.diagnose.curves import mean
from gradtui.diagnose.history import Series
from gradtui.diagnose.loss_rules import CAUSES
from gradtui.diagnose.profile import Rows
from gradtui.diagnose.report import Report, Snapshot, Spell, Trial
from gradtui.diagnose.state import RunState
from gradtui.diagnose.unjudged import unjudged
from gradtui.diagnose.warnings import SEVERITIES, Warning
from gradtui.diagnose.words import full_name
from gradtui.stream.events import Applied, Event, Frame, Hello, Value

RECENT = 5
"""Losses whose mean says where the loss stands."""
BETTER = 0.8
WORSE = 1.25
"""Of the loss before, at which what was tried is said to have been followed by a better or a worse one."""
SPELLS = 1000
TRIALS = 200
ATTEMPTS = 20


class Examination:
    """Takes a run's events in, one by one; `report` at any moment."""

    def __init__(self) -> None:
        self.state = RunState()
        self._where: list[Rows] = []
        self._names: list[str] = []
        self._hellos = 0
        self._start: Snapshot | None = None
        self._worst: tuple[float, Snapshot] | None = None
        self._theory: Theory | None = None
        self._series: deque[Series] = deque(maxlen=ATTEMPTS)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._spells: list[Spell] = []
        self._trials: list[Trial] = []
        self._ever: dict[str, set[Value]] = {}

    def take(self, event: Event) -> None:
        felt = isinstance(event, Applied) and self.state.felt(event)
        edges = self.state.apply(event)
        match event:
            case Hello():
                self._begin(event, edges)
            case Applied() if felt and event.value is not None:
                self._change(event.step, {event.toggle: event.value})
            case Frame():
                self._frame(event, edges)

    def report(self) -> Report:
        state = self.state
        hello, frame, end = state.hello, state.frame, state.end
        self._judge()
        snapshots = {"start": self._start, "worst": self._worst[1] if self._worst else None, "end": frame and self._snapshot(frame)}
        grave = [spell for spell in self._spells if spell.severity != SEVERITIES[0]]
        first = min(grave or self._spells, key=_order, default=None)
        return Report(
            run=hello.run if hello else "",
            scenario=hello.scenario_name if hello else "",
            watched=hello is not None and hello.watched,
            device=hello.device if hello else "",
            seed=hello.seed if hello else None,
            attempts=max(1, self._hellos),
            outcome=end.reason if end else "not ended",
            error=end.error if end else "",
            frames=self.state.frames,
            steps=self.state.steps,
            last_step=end.step if end else frame.step if frame else None,
            loss=end.logged["loss"] if end and "loss" in end.logged else frame.loss if frame else None,
            first=first,
            untried=[fix for fix in first.try_ if fix.value not in self._ever.get(fix.toggle, ())] if first else [],
            spells=list(self._spells),
            unjudged=list(unjudged(self.state)),
            trials=list(self._trials),
            snapshots={name: shot for name, shot in snapshots.items() if shot},
            theory=self._theory,
            losses=[series.points for series in self._series],
        )

    def _begin(self, hello: Hello, edges: Sequence[Warning]) -> None:
        self._hellos += 1
        for edge in edges:
            self._close(edge.code, edge.step)
        if self._hellos > 1:
            self._judge()
            given = {toggle.key: toggle.value for toggle in hello.toggles}
            before = self._loss()
            if before is None and self._trials:  # changed and restarted at once
                before = self._trials[-1].loss_before
            self._add(Trial(attempt=self.state.attempt, step=0, settings={}, restart=True, loss_before=before))
            for key, value in given.items():
                self._ever.setdefault(key, set()).add(value)
        self._where = profile.rows(hello.layers)
        self._names = [full_name(layer) for layer in hello.layers]
        self._series.append(Series())
        self._recent.clear()

    def _change(self, step: int, changed: dict[str, Value]) -> None:
        for key, value in changed.items():
            self._ever.setdefault(key, set()).add(value)
        newest = self._trials[-1] if self._trials else None
        if newest and not newest.restart and (newest.attempt, newest.step) == (self.state.attempt, step):
            newest.settings |= changed
            return
        self._judge()
        self._add(Trial(attempt=self.state.attempt, step=step, settings=changed, loss_before=self._loss()))
        self._recent.clear()

    def _add(self, trial: Trial) -> None:
        self._trials.append(trial)
        del self._trials[:-TRIALS]

    def _frame(self, frame: Frame, edges: Sequence[Warning]) -> None:
        if not self._series:
            self._series.append(Series())  # a recording whose beginning is gone
        if frame.loss is not None:
            self._series[-1].add(frame.step, frame.loss)
            self._recent.append(frame.loss)
        if self.state.hello and self._theory is None and self.state.first is frame:
            self._theory = compare(self.state.hello, frame)
        self._start = self._start or self._snapshot(frame)
        steepness = self._steepness(frame)
        if steepness is not None and (self._worst is None or steepness > self._worst[0]):
            self._worst = (steepness, self._snapshot(frame))
        for edge in edges:
            self._edge(edge)

    def _steepness(self, frame: Frame) -> float | None:
        if len(frame.delta_rms) != len(self._names):
            return None
        tilts = [tilt for where in self._where if (tilt := profile.read(where, frame.delta_rms).tilt) is not None]
        return max(map(abs, tilts), default=None)

    def _snapshot(self, frame: Frame) -> Snapshot:
        delta = len(frame.delta_rms) == len(self._names) and any(value is not None for value in frame.delta_rms)
        spans = {where.group: profile.read(where, frame.delta_rms).span for where in self._where} if delta else {}
        return Snapshot(
            attempt=self.state.attempt,
            step=frame.step,
            loss=frame.loss,
            quantity="delta" if delta else "gradient",
            layers=self._names,
            values=frame.delta_rms if delta else frame.grad_norm,
            spans={group: span for group, span in spans.items() if span is not None},
        )

    def _edge(self, edge: Warning) -> None:
        trial = self._trials[-1] if self._trials else None
        if edge.state == "closed":
            self._close(edge.code, edge.step)
            if trial and edge.code not in trial.closed:
                trial.closed.append(edge.code)
            return
        if edge.state == "opened":
            self._spells.append(
                Spell(
                    attempt=self.state.attempt,
                    code=edge.code,
                    since=int(edge.evidence.numbers.get("since", edge.step)),
                    opened=edge.step,
                    severity=edge.severity,
                    layers=edge.layers,
                    sentence=edge.evidence.sentence,
                    try_=edge.try_,
                )
            )
            del self._spells[SPELLS:]  # the first ones are what a report is about
            if trial and edge.code not in trial.opened:
                trial.opened.append(edge.code)
        elif spell := self._open(edge.code):
            spell.severity = edge.severity

    def _open(self, code: str) -> Spell | None:
        return next((spell for spell in reversed(self._spells) if spell.code == code and spell.closed is None), None)

    def _close(self, code: str, step: int) -> None:
        if spell := self._open(code):
            spell.closed = step

    def _loss(self) -> float | None:
        return mean(self._recent) if self._recent and all(map(math.isfinite, self._recent)) else self._newest()

    def _newest(self) -> float | None:
        return self._recent[-1] if self._recent else None

    def _judge(self) -> None:
        """Fill in what came of the newest trial, so far."""
        if not self._trials:
            return
        trial = self._trials[-1]
        trial.loss_after = self._loss()
        trial.verdict = _verdict(trial)


def _order(spell: Spell) -> tuple[int, int, int]:
    return spell.attempt, spell.since, CAUSES.index(spell.code) if spell.code in CAUSES else len(CAUSES)


def _verdict(trial: Trial) -> str:
    before, after = trial.loss_before, trial.loss_after
    if after is not None and not math.isfinite(after):
        return "worse" if before is None or math.isfinite(before) else "same"
    ratio = after / before if before is not None and after is not None and before > 0 and after > 0 else None
    recovered = before is not None and not math.isfinite(before) and after is not None
    if recovered or (ratio is not None and ratio <= BETTER):
        return "better"
    if ratio is not None and ratio >= WORSE:
        return "worse"
    gone = set(trial.closed) - set(trial.opened)
    new = set(trial.opened) - set(trial.closed)
    return "better" if gone and not new else "worse" if new and not gone else "same"
