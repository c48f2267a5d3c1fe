"""How much of the loop's time watching takes, and how often it may therefore look.

Measured on the host's clock: on CUDA the kernels themselves run beside the loop and are not counted. The share is one of the time
that steps take: while a loop evaluates, saves or waits between two epochs, nothing is saved up. Every call from the loop counts from its
beginning to its end, and a frame as much longer as its step and the next one take than others do: the loop also loses what it has to
fetch into the processor's caches again.

Two things cost: what every step does (its hooks, its norms), and frames. The norms are taken as seldom as half of the share needs; the
hooks cannot be left out, and on a step of a fraction of a millisecond they alone may take more than the share. Frames are not starved
by that: they may take what the steps leave of the share, a quarter of it in any case, and one comes every few seconds whatever it costs.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from statistics import mean, median

_REVIEW = 64
"""Steps between two decisions on how often norms are taken."""
_AT_ONCE = 7
"""Frames that come as fast as the rate allows: as many as it takes to judge a profile, beside the first, which has none."""
_PAUSE = 4
"""Of a step that takes more than so many usual ones, no more is counted: the loop did something else meanwhile."""
_REST, _LATE = 16, 0.25
"""Steps that may pass without a look at the clock, as far as no frame is later by them than this share of its interval."""
_FELT, _FELT_MOST = 16, 2.0
"""Frames whose median is what one takes from the loop, beside what was counted of it; and how much more that is at most."""
_AIM = 0.85
"""Of the share that is allowed. The rest is for what is dearer than expected, and for what nobody can measure (benchmarks/README.md)."""
_PATIENCE = 5.0
"""Seconds after which a frame comes whatever it costs."""


class Meter:
    """Keeps the cost of watching under `share` of the time (1: no limit). `interval`: seconds from one frame to the next, at least."""

    def __init__(self, share: float, interval: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share = share if share == 1 else _AIM * share
        self._interval = interval
        self.now = clock
        """The time, in seconds."""
        self._frame_at = self._stepped_at = clock()
        self._spent_on_steps = self._spent_on_frame = 0.0
        self._frames = 0
        self._frames_share = self._share / 2
        self._felt: deque[float] = deque(maxlen=_FELT)
        """By how much a frame's step and the next one were longer than others, over what was counted of the frame."""
        self._frame_from, self._feels = self._stepped_at, False
        """When the step began before which the last frame was begun, and whether the frame's own is over, and the one after it is not."""
        self.in_frame = False
        """Whether what is spent now is a frame's; otherwise it is every step's."""
        self.accounted = 0.0
        """Seconds that have been counted, or left out, so far."""
        self.spent = 0.0
        """Seconds that watching has taken so far."""
        self._a_step = math.inf
        """Seconds that a step takes, pauses left out."""
        self._steps_since_frame = 0
        self._intervals: deque[float] = deque(maxlen=_REVIEW)
        self._steps = 0
        self._norms_spent = 0.0
        self._norms = 0
        self._one = math.inf
        """Seconds that the norms of a step take."""
        self._since_review = 0.0
        self._reviewed = False
        self.stride = 1
        """Norms are taken on every so many steps."""

    def spend(self, since: float) -> float:
        """Count the time from `since` until now; returns it."""
        seconds = self.now() - since
        self.add(seconds)
        return seconds

    def spend_rest(self, since: float, accounted: float) -> None:
        """Count what of the time from `since` until now has not been accounted for; `accounted`: what was, at `since`."""
        seconds = self.now() - since - (self.accounted - accounted)
        if seconds > 0:
            self.add(seconds)

    def leave_out(self, since: float, accounted: float) -> None:
        """The loop is held up on purpose: of the time from `since` until now nothing more is counted."""
        held = self.now() - since
        self.accounted = accounted + held
        self._frame_from += held

    def add(self, seconds: float) -> None:
        """Count time that was measured elsewhere."""
        self.accounted += seconds
        self.estimate(seconds)

    def estimate(self, seconds: float) -> None:
        """Count time that nobody measured, and that is no part of any that is being measured."""
        self.spent += seconds
        if self.in_frame:
            self._spent_on_frame += seconds
        else:
            self._spent_on_steps += seconds
            self._since_review += seconds

    def step_taken(self, norms: float, taken: int, framed: bool = False, steps: int = 1) -> None:
        """A step has ended, with a frame or without. The ends of `steps` - 1 before it went untold; of `taken` of them norms were taken, in
        `norms` seconds."""
        now = self.now()
        interval, self._stepped_at = (now - self._stepped_at) / steps, now
        self._steps_since_frame += steps
        if framed:
            self._feels = True
            return
        if self._feels:
            self._feel(now)
        self._intervals.extend([interval] * steps)
        self._steps += steps
        self._norms_spent += norms
        self._norms += taken
        if self._steps >= _REVIEW and self._norms:
            self._review()

    def _feel(self, now: float) -> None:
        """The step after a frame's is over: count what the frame took from the loop beside what was counted of it."""
        self._feels = False
        longer = now - self._frame_from - self._steps_since_frame * self._a_step
        if self._spent_on_frame and math.isfinite(longer):
            self._felt.append(longer / self._spent_on_frame)
            unseen = self._spent_on_frame * (max(1.0, min(_FELT_MOST, median(self._felt))) - 1)
            self.spent += unseen
            self._spent_on_frame += unseen

    def rest(self) -> int:
        """How many steps may pass before anyone need ask `may_look`: until a frame can be due, or is late by part of its interval."""
        due = self._interval
        if self._frames >= _AT_ONCE and self._frames_share:
            due = max(due, min(_PATIENCE, self._spent_on_frame / self._frames_share))
        wait = max(due - (self._stepped_at - self._frame_at), _LATE * self._interval)
        return max(1, int(min(_REST, wait / self._a_step))) if self._a_step else _REST

    def may_look(self, now: float) -> bool:
        """Whether a frame is due: its interval is over, and what the last one took is within the frames' part of the share by now."""
        elapsed = now - self._frame_at
        if elapsed < self._interval:
            return False
        if self._frames < _AT_ONCE or elapsed >= _PATIENCE:
            return True
        return self._spent_on_frame <= self._frames_share * self._worked(elapsed)

    def begin_frame(self) -> float:
        """A frame begins; returns the share of the steps' time that the loop has lost from the last one until now."""
        self._frames += 1
        self._frame_from, self._feels = self._stepped_at, False
        return self._start_over(self.now())

    def forgive(self) -> None:
        """What was spent until now is paid once: it says nothing of how often to look."""
        self._start_over(self.now())

    def _start_over(self, now: float) -> float:
        spent, worked = self._spent_on_steps + self._spent_on_frame, self._worked(now - self._frame_at)
        self._frame_at, self._steps_since_frame, self._spent_on_steps, self._spent_on_frame = now, 0, 0.0, 0.0
        return spent / worked if worked > 0 else 0.0

    def _worked(self, elapsed: float) -> float:
        """Of the seconds since the last frame, those that steps took."""
        return min(elapsed, self._steps_since_frame * self._a_step) if self._steps_since_frame else elapsed

    def _review(self) -> None:
        """Half of the share is for what every step costs; of that, the norms get what the hooks leave, but never nothing."""
        usual = median(self._intervals)
        self._a_step = step = mean(min(interval, _PAUSE * usual) for interval in self._intervals)
        taken = self._norms_spent / self._norms
        self._one = one = min(taken, 2 * self._one)  # a pause of the process in one of them must not stop them for long
        hooks = max(0.0, self._since_review - self._norms_spent) / self._steps
        allowance = max(step * self._share / 2 - hooks, step * self._share / 8)
        self.stride = max(1, math.ceil(one / allowance)) if self._share < 1 and allowance > 0 else 1
        self._frames_share = max(self._share - self._since_review / (self._steps * step), self._share / 4)
        if not self._reviewed:
            self._reviewed = True
            self.forgive()
        self._steps, self._norms_spent, self._norms, self._since_review = 0, 0.0, 0, 0.0
