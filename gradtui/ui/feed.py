"""Follows a run's events into its state, a bounded piece at a time: a burst or a long recording never holds up a key."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from gradtui.diagnose.state import RunState
from gradtui.stream import liveness
from gradtui.stream.events import Applied, Event, Hello
from gradtui.stream.follower import Follower
from gradtui.stream.run_directory import RunDirectory

PIECE = 1 << 18
"""Bytes that are read and decoded before the clock is looked at: a few milliseconds."""

BUDGET = 0.025
"""Seconds that one poll may take."""


@dataclass
class News:
    """What one poll brought."""

    count: int = 0
    """How many events."""
    hello: bool = False
    """A run began, began again, or is read again from its beginning."""
    applied: list[Applied] = field(default_factory=list)


class Source(Protocol):
    """What a run's screen is fed from."""

    state: RunState

    @property
    def behind(self) -> bool:
        """There is more to read right now."""

    @property
    def silent_for(self) -> float:
        """Seconds since the last event was read."""

    @property
    def passed_over(self) -> str:
        """What a person should know of lines that could not be read; empty: nothing."""

    def poll(self) -> News:
        """Take in what is new, for a moment at the most."""


class Feed:
    """One run being followed."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.forget()
        self.behind = False
        """There is more to read right now."""
        self.missing = False
        """The recording is not there (not yet, or not any more)."""
        self._follower = Follower(run.events)
        self._last_event = time.monotonic()
        self._caught_up = False

    def poll(self, budget: float = BUDGET) -> News:
        """Read for at most about `budget` seconds."""
        news = News()
        deadline = time.monotonic() + budget
        while True:
            batch = self._follower.poll(PIECE)
            self.missing, self.behind = batch.missing, batch.more
            if batch.rewound:
                self.forget()
                news.hello = True
            for event in batch.events:
                self.take(event)
                news.hello |= isinstance(event, Hello)
                if isinstance(event, Applied):
                    news.applied.append(event)
            news.count += len(batch.events)
            if not batch.more or time.monotonic() > deadline:
                break
        if news.count:
            self._last_event = time.monotonic()
            if not self._caught_up:  # what was there before this viewer came need not be new
                self._last_event -= liveness.silence(self.run.events)
        self._caught_up |= not self.behind
        return news

    def forget(self) -> None:
        """The recording is read from its beginning."""
        self.state = RunState()

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.state.apply(event)

    @property
    def passed_over(self) -> str:
        return self._follower.lines.told(self.run.events)

    @property
    def silent_for(self) -> float:
        """Seconds since the last event was read."""
        return time.monotonic() - self._last_event
