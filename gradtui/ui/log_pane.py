"""What the trainer printed: the end of trainer.log, or the recording's own log lines where that file is gone.

A line that is longer than the pane goes on in the next: the end of an exception's line says most.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.cells import chop_cells
from textual import events
from textual.widgets import Log

from gradtui.diagnose.words import inert

TAIL = 1 << 16
"""Bytes of the file's end that are shown when the pane opens, and read at most at a time."""

LONGEST = 2000
"""Characters that are shown of one line."""

NOTHING = "nothing that was printed is recorded yet"
"""Also of a training of somebody's own, whose prints stay where it was started."""


class LogPane(Log, can_focus=True):
    """Follows one file while it is on screen, or shows what is `recorded` where there is none; scrolls to the end unless a
    person scrolled up."""

    def __init__(self, recorded: Callable[[], list[str]], *, id: str | None = None) -> None:
        super().__init__(id=id, max_lines=2000, highlight=False)
        self._lines_recorded = recorded
        self._path: Path | None = None
        self._offset = 0
        self._half = b""
        self._recorded = 0
        self._empty = False
        self._wide = 0

    def on_resize(self, event: events.Resize) -> None:
        """Break the lines anew for another width."""
        if self._path and event.size.width not in (0, self._wide):
            self._wide = event.size.width
            self.follow(self._path)
            self.poll()  # else the pane says for the tenth of a second until the next look that there is nothing

    def follow(self, path: Path) -> None:
        """Begin with another file."""
        self._path, self._offset, self._half, self._recorded = path, 0, b"", 0
        self.clear()
        self.write_line(NOTHING)
        self._empty = True

    def poll(self) -> None:
        """Show what is new."""
        if self._path is None or not self._wide:
            return
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._offset:
                    self._offset, self._half = 0, b""
                start = max(self._offset, size - TAIL)
                file.seek(start)
                data = file.read(TAIL)
        except OSError:
            self._show_recorded(self._lines_recorded())
            return
        self._offset = start + len(data)
        *lines, self._half = (self._half + data).split(b"\n")
        self._write([line.decode("utf-8", "replace") for line in lines])

    def _show_recorded(self, recorded: list[str]) -> None:
        if len(recorded) != self._recorded:
            self.clear()
            self._write(recorded)
            self._recorded = len(recorded)

    def _write(self, lines: list[str]) -> None:
        if lines:
            if self._empty:
                self._empty = False
                self.clear()
            plain = [inert(line.expandtabs(4).rstrip("\r"))[:LONGEST] for line in lines]
            room = max(1, self._wide - 1)  # one for the scroll bar
            self.write_lines([piece for line in plain for piece in chop_cells(line, room) or [""]])
