"""The lines of a recording and the events on them: what cannot be read is passed over, and can be told of.

A line damaged by a disk or an editor, or one of a later schema, is no reason to keep the rest from a person; nor is it a
reason to let them believe that they see all of it. A file of which no line is an event is no recording at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from gradtui.stream.events import SCHEMA, Event, Hello, decode

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for a line that is no event."""

LONGEST_REASON = 200


class Lines:
    """Makes events of a recording's lines, in their order from the first, and remembers which of them were none."""

    def __init__(self) -> None:
        self.unreadable = 0
        """Whole lines that were not events."""
        self.first = ""
        """The number of the first of them and why it is none: `line 7: …`; empty: there was none."""
        self.schema = SCHEMA
        """The latest that any of it is of."""
        self._read = 0

    def events(self, data: bytes) -> Iterator[Event]:
        """The events on the next lines; `data` holds whole lines, with their ends."""
        lines = data.split(b"\n")[:-1]
        number = self._read
        self._read += len(lines)
        for line in lines:
            number += 1
            if not line or line.isspace():
                continue
            try:
                event = decode(line)
            except UNREADABLE as error:
                self.unreadable += 1
                self.first = self.first or f"line {number}: {_reason(error)}"
            else:
                if isinstance(event, Hello):
                    self.schema = max(self.schema, event.schema)
                yield event

    def told(self, path: Path) -> str:
        """What a person should know of the recording at `path` and of unreadable lines in it; empty: nothing."""
        found = []
        if self.schema > SCHEMA:
            found.append(f"it is of schema {self.schema}, this gradtui reads {SCHEMA}: what a later one has added is not shown")
        if self.unreadable == 1:
            found.append(f"1 line is no event and was passed over ({self.first})")
        elif self.unreadable:
            found.append(f"{self.unreadable} lines are no events and were passed over (the first is {self.first})")
        return f"{path}: {'; '.join(found)}" if found else ""


def fault(path: Path) -> str:
    """Why the file at `path` is no recording; empty: a line of it is an event, or it has only just begun. Raises OSError.

    Of a recording it reads one line.
    """
    lines = Lines()
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"{") and not line.endswith(b"\n"):
                break  # an event that is being written, by all that can be seen of it
            if any(lines.events(line.rstrip(b"\n") + b"\n")):
                return ""
    return f"no line of it is an event ({lines.first})" if lines.first else ""


def _reason(error: Exception) -> str:
    return str(error)[:LONGEST_REASON]
