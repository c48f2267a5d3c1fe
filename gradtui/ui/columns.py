"""The parts that the bars are put together from: columns that scroll together and repaint row by row."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.containers import ScrollableContainer
from textual.geometry import Region

from gradtui.ui.lines import Lines, Row


class Column(Lines):
    """A column of the bars; draws row `y` when Textual asks for it or when it is checked for changes."""

    def __init__(self, draw: Callable[[int], Row], pick: Callable[[int], None]) -> None:
        super().__init__()
        self._draw = draw
        self._pick = pick
        self._shown: dict[int, Row] = {}

    def row(self, y: int) -> Row:
        self._shown[y] = self._draw(y)
        return self._shown[y]

    def check(self, visible: range) -> None:
        """Repaint those of the visible rows that no longer look as they are shown."""
        for y in visible:
            if self._draw(y) != self._shown.get(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def forget(self) -> None:
        """Everything changed: repaint it all."""
        self._shown.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        self._pick(event.y)


class Body(ScrollableContainer, can_focus=False, inherit_bindings=False):
    """The window that the columns scroll in."""
