"""The state of a run at any place of its recording, however long that is: snapshots on the way, and a little judging from there.

A warning depends on everything before it, so a place can be shown only once all before it has been judged. That is done once,
a piece at a time, by whoever has a moment to spare; snapshots of the state are kept, and from then on any place is near one.
"""

from __future__ import annotations

import pickle
from bisect import bisect_right

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Event
from gradtui.stream.lines import Lines
from gradtui.stream.recording import Recording

SNAPSHOTS = 256
"""Of about 80 kB each for 50 layers."""

LEAST = 1 << 18
"""Bytes of recording between two of them at the least; they are read and judged in some 10 ms."""


class Rewind:
    """The judged part of a recording, which grows by `judge` from its beginning to `size` bytes."""

    def __init__(self, recording: Recording, size: int) -> None:
        self._recording = recording
        self._size = size
        self._state = RunState()
        self.lines = Lines()
        """What has been judged, line by line."""
        self.reached = 0
        """Bytes judged so far."""
        self.spacing = max(LEAST, size // SNAPSHOTS)
        """Bytes between two snapshots: any place already judged is at most about so far behind one."""
        # Pickled rather than copied: ten times as fast, and never read but by the process that wrote it.
        self._snapshots = [pickle.dumps(self._state)]
        self._places = [0]

    @property
    def done(self) -> bool:
        return self.reached >= self._size

    @property
    def share(self) -> float:
        """How much of the recording is judged."""
        return self.reached / self._size if self._size else 1.0

    def judge(self, limit: int) -> None:
        """Judge the next `limit` bytes or so."""
        end = self._line_end(min(self.reached + limit, self._size))
        fold(self._recording, self._state, self.reached, end, self.lines)
        self.reached = end
        if self.reached - self._places[-1] >= self.spacing and not self.done:
            self._snapshots.append(pickle.dumps(self._state))
            self._places.append(self.reached)

    def _line_end(self, place: int) -> int:
        """`place` if a line ends there, else the end of the line that it is in."""
        place -= 1
        while place < self._size:
            piece = self._recording.read(place, min(place + LEAST, self._size))
            if (end := piece.find(b"\n")) >= 0:
                return place + end + 1
            if not piece:
                break
            place += len(piece)
        return self._size

    def before(self, place: int) -> tuple[int, RunState]:
        """The last snapshot at or before `place`: where it was taken, and a state that is the caller's own."""
        at = bisect_right(self._places, place) - 1
        state: RunState = pickle.loads(self._snapshots[at])
        return self._places[at], state

    def near(self, place: int) -> bool:
        """Whether a snapshot is near: everything before `place` is judged, but for what can be judged at once."""
        return place <= self.reached or place - self._places[-1] <= self.spacing


def fold(recording: Recording, state: RunState, start: int, end: int, lines: Lines | None = None) -> list[Event]:
    """Apply to `state` the events on the lines from `start` to `end`; returns them. `lines` remembers which of them were none."""
    events = list((lines or Lines()).events(recording.read(start, end).removesuffix(b"\n") + b"\n"))
    for event in events:
        state.apply(event)
    return events
