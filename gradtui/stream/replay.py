"""A recording with a clock: where each frame is in the file, and which of them is shown now.

The index is made by looking for line ends and at how each line begins; frames, which are nearly all of a recording, are decoded
when they are shown and not before, so that a recording of any size opens at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

import msgspec

from gradtui.stream.recording import Recording

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

SHORTEST = 0.1
"""Seconds between two frames at speed 1, as on the screen of a run that trains: a run recorded without one would be over at once."""
LONGEST = 2.0
"""A training that was paused, or is measured once a minute, is not waited for."""

_FRAME = b'{"type":"frame"'
_LOG = b'{"type":"log"'


class Moment(msgspec.Struct, kw_only=True):
    """When a frame was taken. The decoder skips everything else in it."""

    type: str
    step: int = 0
    time: float | None = None


_moment = msgspec.json.Decoder(Moment, strict=False)


class Index:
    """The places of all frames, hellos and toggles in a recording, by their offsets in bytes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._starts = array("q")
        self._ends = array("q")
        self.hellos: list[tuple[int, int]] = []
        """First and last byte (exclusive) of each; likewise `applied`."""
        self.applied: list[tuple[int, int]] = []
        self.size = 0
        """Bytes of all whole lines."""
        for chunk in recording.chunks():
            self._note(chunk)
            self.size += len(chunk)

    def _note(self, chunk: bytes) -> None:
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            if chunk.startswith(_FRAME, start):
                self._starts.append(self.size + start)
                self._ends.append(self.size + end)
            elif not chunk.startswith(_LOG, start):
                self._note_other(chunk[start:end], self.size + start, self.size + end)
            start = end

    def _note_other(self, line: bytes, start: int, end: int) -> None:
        """A line that is rare; or, where a recording was written anew by another program, a frame spelled in another way."""
        match _decoded(line):
            case Moment(type="hello"):
                self.hellos.append((start, end))
            case Moment(type="applied"):
                self.applied.append((start, end))
            case Moment(type="frame"):
                self._starts.append(start)
                self._ends.append(end)

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self._starts)

    def stop(self, at: int) -> int:
        """Up to which byte the recording is read when it stands at frame `at`: whatever follows the last one belongs to it."""
        return self._ends[at] if at < len(self) - 1 else self.size

    def place(self, at: int) -> tuple[int, int]:
        """First and last byte (exclusive) of frame `at`."""
        return self._starts[at], self._ends[at]

    def moment(self, at: int) -> Moment:
        """When frame `at` was taken; of a damaged one, when the frame before it was."""
        while at >= 0:
            found = _decoded(self._recording.read(*self.place(at)))
            if found is not None:
                return found
            at -= 1
        return Moment(type="frame")

    def frames_before(self, place: int) -> int:
        """How many frames stand before byte `place`."""
        return bisect_left(self._starts, place)

    def attempt(self, at: int) -> range:
        """The frames of the attempt that frame `at` belongs to."""
        beginnings = [start for start, _ in self.hellos]
        here = bisect_right(beginnings, self._starts[at])
        first = self.frames_before(beginnings[here - 1]) if here else 0
        return range(first, self.frames_before(beginnings[here]) if here < len(beginnings) else len(self))

    def find(self, step: int, at: int) -> int:
        """The frame of `step`, or the last before it, in the attempt of frame `at`."""
        frames = self.attempt(at)
        after = bisect_right(frames, step, key=lambda frame: self.moment(frame).step)
        return frames[max(0, after - 1)]


def _decoded(line: bytes) -> Moment | None:
    try:
        return _moment.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Clock:
    """Which frame is shown now. It knows no time of its own: whoever shows it says how much has passed."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.at = 0
        self.playing = True
        self.speed = 1.0
        self._owed = 0.0
        """Seconds of the recording that have passed since frame `at` was due."""

    @property
    def last(self) -> int:
        """The last frame; -1: there is none."""
        return len(self._index) - 1

    @property
    def at_end(self) -> bool:
        return self.at >= self.last

    def advance(self, seconds: float) -> None:
        """Let time pass: show the frames that are due by now, and stop at the last."""
        if not self.playing:
            return
        self._owed += seconds * self.speed
        while not self.at_end and self._owed >= (gap := self._gap()):
            self._owed -= gap
            self.at += 1
        if self.at_end:
            self.playing = False

    def _gap(self) -> float:
        """Seconds from this frame to the next one, at speed 1."""
        now, then = self._index.moment(self.at).time, self._index.moment(self.at + 1).time
        passed = then - now if now is not None and then is not None else SHORTEST
        return min(max(passed, SHORTEST), LONGEST) if passed == passed else SHORTEST

    def play(self, playing: bool) -> None:
        """Play or pause; what has come to its end begins anew."""
        if playing and self.at_end:
            self.seek(0)
        self.playing = playing

    def seek(self, at: int) -> None:
        """Show frame `at`, or the one nearest to it, now."""
        self.at = max(0, min(at, self.last))
        self._owed = 0.0

    def step(self, by: int) -> None:
        """Show the frame `by` frames on, and stay there."""
        self.playing = False
        self.seek(self.at + by)

    def faster(self, by: int) -> None:
        """The next speed of SPEEDS, or the one before."""
        self.speed = SPEEDS[max(0, min(SPEEDS.index(self.speed) + by, len(SPEEDS) - 1))]
