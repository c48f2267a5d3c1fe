"""On which steps frames are made."""

from __future__ import annotations

import math

from gradtui.watching import ranks
from gradtui.watching.meter import Meter
from gradtui.watching.ranks import Ranks

_QUICKEST = 1e-5
"""Seconds that no step of several processes takes less than, whatever a clock says."""


class Schedule:
    """Every `every` steps, or by the clock within the meter's share; several ranks agree on the step."""

    def __init__(self, every: int | None, together: Ranks | None) -> None:
        self._every = every
        self._ranks = together
        self._due = 0
        self._announced = False
        self._frames = 0
        """Agreed upon so far."""
        self._looked_at = 0.0
        self._first: tuple[int, float] | None = None
        """The step, and the time, at which it was asked first: what came before, it took to begin, and no usual step does."""

    def wants(self, step: int, meter: Meter, now: float) -> bool:
        """Whether `step`, the next, is a frame's; `now` is the meter's time."""
        if self._every:
            return step >= self._due
        if self._ranks is None:
            return meter.may_look(now)
        return self._agreed(self._ranks, step, meter, now)

    def rest(self, step: int, meter: Meter) -> int:
        """How many steps after `step` nobody need ask; at least one."""
        if self._ranks is not None:
            return 1
        return max(1, self._due - 1 - step) if self._every else meter.rest()

    def began(self, step: int) -> None:
        """A frame of `step` is being made."""
        if self._every:
            self._due = (step // self._every + 1) * self._every
        self._next()

    def _agreed(self, together: Ranks, step: int, meter: Meter, now: float) -> bool:
        if self._first is None:
            self._first = step, now
        first, then = self._first
        if not self._announced and step > first:
            self._look(together, step, meter, now, (now - then) / (step - first))
        if self._announced and step > self._due:  # heard of too late
            self._next()
        return self._announced and step == self._due

    def _look(self, together: Ranks, step: int, meter: Meter, now: float, a_step: float) -> None:
        """`a_step`: seconds that a step takes."""
        if together.rank == 0 and meter.may_look(now):
            self._due, self._announced = step + 1 + math.ceil(ranks.AHEAD / max(a_step, _QUICKEST)), True
            together.announce(self._frames, self._due)
        elif together.rank > 0 and now - self._looked_at >= ranks.LOOK:
            self._looked_at = now
            due = together.announced(self._frames)
            if due is not None:
                self._due, self._announced = due, True

    def _next(self) -> None:
        if self._announced:
            self._announced, self._frames = False, self._frames + 1
