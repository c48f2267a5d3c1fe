"""How much of the loop's time watching takes, and how often it may therefore look.

Measured on the host's clock: on CUDA the kernels themselves run beside the loop and are not counted.

Two things cost: what every step does (its hooks, its norms), and frames. The norms are taken as seldom as half of the share needs; the
hooks cannot be left out, and on a step of a fraction of a millisecond they alone may take more than the share. Frames are not starved
by that: they may take what the steps leave of the share, and half of it in any case, and one comes every few seconds whatever it costs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_REVIEW = 64
"""Steps between two decisions on how often norms are taken."""
_AT_ONCE = 5
"""Frames that come as fast as the rate allows, so that there is something to see."""
_PATIENCE = 5.0
"""Seconds after which a frame comes whatever it costs."""


class Meter:
    """Keeps the cost of watching under `share` of the time (1: no limit). `interval`: seconds from one frame to the next, at least."""

    def __init__(self, share: float, interval: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share
        self._interval = interval
        self._clock = clock
        self._frame_at = self._reviewed_at = clock()
        self._spent_on_steps = self._spent_on_frame = 0.0
        self._frames = 0
        self._frames_share = share / 2
        self.in_frame = False
        """Whether what is spent now is a frame's; otherwise it is every step's."""
        self._steps = 0
        self._norms_spent = 0.0
        self._norms = 0
        self._one = math.inf
        """Seconds that the norms of a step take."""
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
        if self.in_frame:
            self._spent_on_frame += seconds
        else:
            self._spent_on_steps += seconds
            self._since_review += seconds

    def step_taken(self, norms: float | None) -> None:
        """A step without a frame has ended; `norms`: seconds that its norms took, None when none were taken."""
        self._steps += 1
        if norms is not None:
            self._norms_spent += norms
            self._norms += 1
        if self._steps >= _REVIEW and self._norms:
            self._review()

    def may_look(self, now: float) -> bool:
        """Whether a frame is due: its interval is over, and what the last one took is within the frames' part of the share by now."""
        elapsed = now - self._frame_at
        if elapsed < self._interval:
            return False
        if self._frames < _AT_ONCE or elapsed >= _PATIENCE:
            return True
        return self._spent_on_frame <= self._frames_share * elapsed

    def begin_frame(self) -> float:
        """A frame begins; returns the share of the time that was spent from the last one until now."""
        self._frames += 1
        return self._start_over(self._clock())

    def forgive(self) -> None:
        """What was spent until now is paid once: it says nothing of how often to look."""
        self._start_over(self._clock())

    def _start_over(self, now: float) -> float:
        spent, elapsed = self._spent_on_steps + self._spent_on_frame, now - self._frame_at
        self._frame_at, self._spent_on_steps, self._spent_on_frame = now, 0.0, 0.0
        return spent / elapsed if elapsed > 0 else 0.0

    def _review(self) -> None:
        """Half of the share is for what every step costs; of that, the norms get what the hooks leave, but never nothing."""
        now = self._clock()
        step = (now - self._reviewed_at) / self._steps
        taken = self._norms_spent / self._norms
        self._one = one = min(taken, 2 * self._one)  # a pause of the process in one of them must not stop them for long
        hooks = max(0.0, self._since_review - self._norms_spent) / self._steps
        allowance = max(step * self._share / 2 - hooks, step * self._share / 8)
        self.stride = max(1, math.ceil(one / allowance)) if self._share < 1 and allowance > 0 else 1
        self._frames_share = max(self._share - self._since_review / (now - self._reviewed_at), self._share / 2)
        if not self._reviewed:
            self._reviewed = True
            self.forgive()
        self._reviewed_at, self._steps, self._norms_spent, self._norms, self._since_review = now, 0, 0.0, 0, 0.0
