"""The readers' end of `events.jsonl`: follow it as it grows, is thinned, is cut short or vanishes.

Reading never blocks and never waits: whoever follows asks when it suits them, with a bound on how much to read at once,
so a burst cannot starve a screen and a stalled screen cannot slow the trainer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gradtui.stream.events import Event
from gradtui.stream.lines import Lines

CHUNK = 1 << 20

TAIL = 64
"""Bytes before the offset that must still be there: an inode's number is given again once it is free, so a file that was
replaced twice, or cut and grown, can look like the one that was read so far."""


@dataclass
class Batch:
    """What one look at the file gave."""

    events: list[Event] = field(default_factory=list)
    rewound: bool = False
    """The file was replaced or cut: these events are from its beginning, forget all earlier ones."""
    more: bool = False
    """There is more to read right now."""
    missing: bool = False
    """The file is not there (not yet, or not any more)."""


class Follower:
    """Reads the events of one run as they are written; any number of followers can read one run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._tail = b""
        self._identity: tuple[int, int] | None = None
        self.lines = Lines()
        """What was read of the file as it is now."""

    @property
    def unreadable(self) -> int:
        """Whole lines that were not events: of a later schema, or damaged. They are passed over."""
        return self.lines.unreadable

    def poll(self, limit: int = CHUNK) -> Batch:
        """The whole lines among the next `limit` bytes (or one line, if that is longer)."""
        try:
            with self._path.open("rb") as file:
                return self._read(file.fileno(), limit)
        except OSError:
            return Batch(missing=True)

    def _read(self, fd: int, limit: int) -> Batch:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        batch = Batch()
        if identity != self._identity or os.pread(fd, len(self._tail), self._offset - len(self._tail)) != self._tail:
            batch.rewound = self._identity is not None
            self._identity, self._offset, self._tail, self.lines = identity, 0, b"", Lines()
        data = os.pread(fd, limit, self._offset)
        while b"\n" not in data and self._offset + len(data) < status.st_size:
            more = os.pread(fd, limit, self._offset + len(data))
            if not more:
                break
            data += more
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._tail = (self._tail + whole)[-TAIL:]
        batch.events = list(self.lines.events(whole))
        batch.more = bool(whole) and self._offset < status.st_size
        return batch


def read_all(path: Path) -> list[Event]:
    """Every event of a finished recording. A missing file reads as no events."""
    follower = Follower(path)
    events: list[Event] = []
    while True:
        batch = follower.poll(16 * CHUNK)
        if batch.rewound:
            events.clear()
        events += batch.events
        if not batch.more:
            return events
