"""One recording as it stands when it is opened: what is appended to it or thinned out of it meanwhile changes nothing here.

A thinned recording is a new file under the old name, and the open one stays what it was; so it can be read twice, or at any
place, and still be one thing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from gradtui.stream.events import End, Event, Log, decode
from gradtui.stream.lines import UNREADABLE, Lines
from gradtui.stream.run_directory import RunDirectory

CHUNK = 1 << 22
"""Bytes read at once."""

TAIL = 1 << 16
"""Bytes that hold a recording's end, however long the error in it."""


class Recording:
    """The whole lines of `path`; a half-written last one is not there yet. Raises OSError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size
        """Bytes, up to which it is read."""
        self.lines = Lines()
        """What the last reading of its events found."""

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._fd)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`; fewer if somebody has cut the file."""
        return os.pread(self._fd, end - start, start)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """The recording from `start` on in pieces of whole lines."""
        while start < self.size:
            data = self.read(start, min(start + CHUNK, self.size))
            while b"\n" not in data and start + len(data) < self.size:
                more = self.read(start + len(data), min(start + len(data) + CHUNK, self.size))
                if not more:
                    break
                data += more
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                return
            yield whole
            start += len(whole)

    def events(self) -> Iterator[Event]:
        """Every event; lines that are none, of a later schema or damaged, are passed over."""
        self.lines = Lines()
        for chunk in self.chunks():
            yield from self.lines.events(chunk)


def event_on(line: bytes) -> Event | None:
    """The event on a line; None where there is none that can be read."""
    if not line.strip():
        return None
    try:
        return decode(line)
    except UNREADABLE:
        return None


def over(run: RunDirectory) -> bool:
    """Whether nothing but logs follows the run's end. Raises OSError when the recording cannot be read."""
    with Recording(run.events) as recording:
        tail = recording.read(max(0, recording.size - TAIL), recording.size)
    events = (event_on(line) for line in reversed(tail[: tail.rfind(b"\n") + 1].splitlines()))
    return isinstance(next((event for event in events if not isinstance(event, Log)), None), End)
