"""Feeds a run's screen from a recording with a clock, as `Feed` does from one that grows: one screen, two ways to be fed.

Going on applies the frames in between; going back, or far ahead, starts from the nearest snapshot. A place that has not been
judged yet is shown at once by what needs no judging, its frame and its toggles, until the judging has come there.
"""

from __future__ import annotations

import time

from gradtui.diagnose.rewind import Rewind, fold
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Applied
from gradtui.stream.recording import Recording
from gradtui.stream.replay import Clock, Index
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.feed import BUDGET, PIECE, News

SLOWEST = 0.25
"""Seconds that the clock goes on at one look at the most: a screen that is slow shows all frames later, not fewer at once."""


class Player:
    """One recording being replayed. Raises OSError when it cannot be read."""

    missing = False
    silent_for = 0.0

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._recording = Recording(run.events)
        self.index = Index(self._recording)
        self.clock = Clock(self.index)
        self.rewind = Rewind(self._recording, self.index.size)
        self.state = RunState()
        self.changes = [self.index.frames_before(start) for start, _ in (*self.index.hellos[1:], *self.index.applied)]
        """The frames before which a toggle was answered or a new attempt began."""
        self.glimpse = False
        """The state is not judged: it is only what the frame and the toggles before it say."""
        self._place = 0
        """Up to which byte the recording is in the state."""
        self._looked = time.monotonic()

    @property
    def behind(self) -> bool:
        """There is more to judge right now."""
        return not self.rewind.done

    @property
    def passed_over(self) -> str:
        return self.rewind.lines.told(self.run.events)

    def poll(self, budget: float = BUDGET) -> News:
        """Show what the clock says, then judge what is left of about `budget` seconds."""
        now = time.monotonic()
        self.clock.advance(min(now - self._looked, SLOWEST))
        self._looked = now
        news = self._go(self.clock.at)
        while not self.rewind.done and time.monotonic() < now + budget:
            self.rewind.judge(PIECE)
        return news

    def go_to(self, step: int) -> None:
        """Show the frame of `step`, or the last before it, in this attempt."""
        if len(self.index):
            self.clock.seek(self.index.find(step, self.clock.at))

    def _go(self, at: int) -> News:
        place = self.index.stop(at)
        if place == self._place and not (self.glimpse and self.rewind.near(place)):
            return News()
        ahead = not self.glimpse and 0 <= place - self._place <= self.rewind.spacing
        if not ahead and not self.rewind.near(place):
            return self._show_glimpse(at, place)
        hello = self.state.hello
        if not ahead:
            self._place, self.state = self.rewind.before(place)
        events = fold(self._recording, self.state, self._place, place)
        self._place, self.glimpse = place, False
        applied = [event for event in events if ahead and isinstance(event, Applied)]
        return News(count=1, hello=self.state.hello != hello, applied=applied)

    def _show_glimpse(self, at: int, place: int) -> News:
        """What is measured there, without a word on what is wrong: the attempt's first frame, its toggles and the frame itself."""
        hello, self.state = self.state.hello, RunState()
        self._place, self.glimpse = place, True
        if len(self.index):
            for line in sorted(self._needed(at)):
                fold(self._recording, self.state, *line)
        self.state.open.clear()
        self.state.warnings.clear()
        self.state.history.restart()
        self.state.ghost = None
        return News(count=1, hello=self.state.hello != hello)

    def _needed(self, at: int) -> set[tuple[int, int]]:
        """The lines that a glimpse of frame `at` is made of."""
        here = self.index.place(at)
        hello = max((line for line in self.index.hellos if line < here), default=(0, 0))
        toggles = {line for line in self.index.applied if hello < line < here}
        return toggles | {hello, self.index.place(self.index.attempt(at)[0]), here}
