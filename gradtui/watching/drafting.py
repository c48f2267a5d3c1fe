"""One frame at a time: in which step it is begun, and what is told of it beside its measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gradtui.watching.frames import Draft
from gradtui.watching.gathering import Gathering
from gradtui.watching.ranks import Ranks
from gradtui.watching.schedule import Schedule
from gradtui.watching.watcher import Watcher

Found = TypeVar("Found")


class Drafting:
    """Of the run that `watcher` is: a frame every `every` steps, or by the clock. What it takes is told to the run's meter."""

    def __init__(self, watcher: Watcher, gathering: Gathering, every: int | None, together: Ranks | None) -> None:
        self._watcher = watcher
        self._gathering = gathering
        self._together = together
        self._schedule = Schedule(every, together)
        self._started = self._frame_at = watcher.meter.now()
        self._frame_step = -1
        self._postponed = False
        """Whether a frame is due, and waits for a step in which every optimizer steps."""
        self._share = 0.0

    @property
    def going_on(self) -> bool:
        """Whether a frame is being made."""
        return self._gathering.frame is not None

    @property
    def rest(self) -> int:
        """For how many steps nobody need ask for a frame."""
        return 0 if self.going_on or self._postponed else self._schedule.rest(self._gathering.step, self._watcher.meter)

    def due(self, now: float) -> bool:
        """Whether the next step is a frame's."""
        step = self._gathering.step + 1
        due = not self.going_on and self._schedule.wants(step, self._watcher.meter, now)
        self._postponed = due and self._together is None and self._gathering.meeting() > step  # ranks have agreed on this very step
        return due and not self._postponed

    def begin(self, step: int, forward: bool) -> None:
        """Make a frame of `step`; without `forward`, only of what there is after its forward passes."""
        meter = self._watcher.meter
        self._share = meter.begin_frame()
        meter.in_frame = True
        started = meter.now()
        self._schedule.began(step)
        self._gathering.begin(step, forward)
        meter.spend(started)

    def draft(self) -> Draft:
        """The frame's measurements are made: what is left is to fetch them."""
        meter, step = self._watcher.meter, self._gathering.step
        now = meter.now()
        elapsed, steps = now - self._frame_at, step - self._frame_step
        metrics = {"watch_share": round(self._share, 4)} | ({"norms_every": float(meter.stride)} if meter.stride > 1 else {})
        rate = round(steps / elapsed, 2) if elapsed > 0 and self._frame_step >= 0 else None
        self._frame_at, self._frame_step = now, step
        return Draft(step, round(now - self._started, 4), rate, self._gathering.parts(), metrics)

    def spend(self, act: Callable[[], Found]) -> Found:
        """Call `act`: the time that it takes is the frames', not every step's."""
        meter = self._watcher.meter
        framing, meter.in_frame = meter.in_frame, True
        started = meter.now()
        found = act()
        meter.spend(started)
        meter.in_frame = framing
        return found
