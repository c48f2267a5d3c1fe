"""How much of the loop's time watching takes, and how often it may therefore look.

Measured on the host's clock: on CUDA the kernels themselves run beside the loop and are not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_REVIEW = 64
"""Steps between two decisions on how often norms are taken."""


class Meter:
    """Keeps the cost of watching under `share` of the time (1: no limit). `interval`: seconds from one frame to the next, at least."""

    def __init__(self, share: float, interval: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._interval = interval
        self._clock = clock
        self._frame_at = self._reviewed_at = clock()
        self._spent = 0.0
        self._steps = 0
        self._norms_spent = 0.0
        self._norms = 0
        self._since_review = 0.0
        self._reviewed = False
        self.stride = 1
        """Norms are taken on every so many steps."""

    def now(self) -> float:
        return self._clock()

    def spend(self, since: float) -> float:
        """Count the time from `since` until now; returns it."""
        seconds = self._clock() - since
        self.add(seconds)
        return seconds

    def add(self, seconds: float) -> None:
        """Count time that was measured elsewhere."""
        self._spent += seconds
        self._since_review += seconds

    def step_taken(self, norms: float | None) -> None:
        """A step without a frame has ended; `norms`: seconds that its norms took, None when none were taken."""
        self._steps += 1
        if norms is not None:
            self._norms_spent += norms
            self._norms += 1
        if self._steps >= _REVIEW and self._norms:
            self._review()

    @property
    def may_look(self) -> bool:
        """Whether a frame is due: its interval is over, and what was spent since the last is within the share."""
        elapsed = self._clock() - self._frame_at
        return elapsed >= self._interval and self._spent <= self._share * elapsed

    def begin_frame(self) -> float:
        """A frame begins; returns the share of the time that was spent from the last one until now."""
        now = self._clock()
        share = self._spent / (now - self._frame_at) if now > self._frame_at else 0.0
        self._frame_at, self._spent = now, 0.0
        return share

    def _review(self) -> None:
        """Half of the share is for what every step costs, its hooks and its norms; half is for frames."""
        now = self._clock()
        step = (now - self._reviewed_at) / self._steps
        one = self._norms_spent / self._norms
        hooks = max(0.0, self._since_review - self._norms_spent) / self._steps
        allowance = max(step * self._share / 2 - hooks, step * self._share / 8)
        self.stride = max(1, math.ceil(one / allowance)) if self._share < 1 and allowance > 0 else 1
        if not self._reviewed:  # what was spent before the first review is a part of beginning
            self._reviewed, self._frame_at, self._spent = True, now, 0.0
        self._reviewed_at, self._steps, self._norms_spent, self._norms, self._since_review = now, 0, 0.0, 0, 0.0
