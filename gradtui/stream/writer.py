"""The trainer's end of `events.jsonl`: append, stay under the cap, and never stop the training.

One event is one write of one whole line, so whatever kills the trainer leaves at most half a line at the end. A full
disk costs events, never steps: what could not be written is counted and said once there is room again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gradtui.stream.events import Event, Log, encode
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
        if self._lost:
            line = encode(Log(text=f"gradtui: {self._lost} events could not be recorded here")) + line
        try:
            self._write(line)
        except OSError as error:
            if not self._lost:
                reason = error.strerror or str(error)
                print(f"gradtui: {self._path}: {reason}: training goes on, but is not recorded", file=sys.__stderr__, flush=True)
            self._lost += 1
        else:
            self._lost = 0
        if self._size > self._thin_at:
            self._thin()

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            if written:  # leave whole lines only
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(line)

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
