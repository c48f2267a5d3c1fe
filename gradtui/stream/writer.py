"""The trainer's end of `events.jsonl`: append, stay under the cap, and never stop the training.

One event is one write of one whole line, so whatever kills the trainer leaves at most half a line at the end. A full
disk costs events, never steps: what could not be written is counted and said once there is room again, and a line that
was begun is finished then. A hello is never lost, since without it nobody can read what follows: it waits for that room.
Nothing that a reader may have seen is ever taken back.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from gradtui.stream.events import Event, Hello, Log, encode
from gradtui.stream.thinning import thin

CAP = 256 * 1024 * 1024
"""Bytes that a recording may grow to before its old frames are thinned."""


class EventWriter:
    """Appends events to `path` for as long as the run lasts; the file's only writer."""

    def __init__(self, path: Path, cap: int = CAP) -> None:
        self._path = path
        self._cap = cap
        self._thin_at = cap
        self._lost = 0
        self._unfinished = b""
        """What is missing of the last line."""
        self._waiting = b""
        """A hello for which there was no room."""
        self._fd = -1
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = _cut_half_line(self._fd)

    @property
    def empty(self) -> bool:
        """Nothing has been recorded yet."""
        return not self._size

    def append(self, event: Event) -> None:
        """Write one event. Never raises for a full disk or a vanished file: it counts what is lost and says so on stderr."""
        line = encode(event)
        try:
            self._make_up()
            self._write(line)
        except OSError as error:
            if not (self._lost or self._waiting):
                reason = error.strerror or str(error)
                print(f"gradtui: {self._path}: {reason}: training goes on, but is not recorded", file=sys.__stderr__, flush=True)
            if isinstance(event, Hello):
                self._waiting = line
            else:
                self._lost += 1
        if self._size > self._thin_at and not self._unfinished:
            self._thin()

    def _make_up(self) -> None:
        """Write the hello that waits, and how many events were lost. Raises OSError when there is still no room."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = b""
        if self._lost:
            count = "1 event" if self._lost == 1 else f"{self._lost} events"
            self._write(encode(Log(text=f"gradtui: {count} could not be recorded here")))
            self._lost = 0

    def _write(self, line: bytes) -> None:
        """Raises OSError when nothing of the line could be written; of which a part is, the rest follows before anything else."""
        self._finish_line()
        self._unfinished = line[self._put(line) :]
        with contextlib.suppress(OSError):
            self._finish_line()

    def _finish_line(self) -> None:
        while self._unfinished:
            self._unfinished = self._unfinished[self._put(self._unfinished) :]

    def _put(self, data: bytes) -> int:
        written = os.write(self._fd, data)
        self._size += written
        return written

    def _thin(self) -> None:
        try:
            thin(self._path, self._cap // 2)
        except OSError as error:
            print(f"gradtui: {self._path}: cannot be thinned: {error}", file=sys.__stderr__, flush=True)
            self._thin_at = 2 * self._size  # no room for the thinned copy: try again later rather than at every event
            return
        os.close(self._fd)
        self._open()
        self._thin_at = max(self._cap, self._size * 5 // 4)  # over the cap only if what is left cannot be thinned

    def close(self) -> None:
        """A line that could not be finished is left as half a line."""
        os.close(self._fd)


def _cut_half_line(fd: int) -> int:
    """Cut what a killed trainer left of its last line, so that every line stays valid JSON; returns the file's size."""
    end = os.fstat(fd).st_size
    block = 64 * 1024
    position = end
    while position > 0:
        start = max(0, position - block)
        newline = os.pread(fd, position - start, start).rfind(b"\n")
        if newline >= 0:
            whole = start + newline + 1
            break
        position = start
    else:
        whole = 0
    if whole != end:
        os.ftruncate(fd, whole)
    return whole
