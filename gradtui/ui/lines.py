"""Lines of styled text that repaint only where they changed: what every panel of the screen is made of.

Textual repaints whatever is marked dirty without comparing it with what is there. Rows are compared here, as text and
styles, and only those that differ are marked: a panel that shows the same numbers sends no bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]
"""Text, and the name of a style of STYLES (empty: the widget's own)."""

Row = tuple[Span, ...]

STYLES = {
    "muted", "strong", "alarm", "warn", "calm", "good", "key", "bar", "hot", "void", "ghost", "theory", "band", "faded", "cursor", "group",
    "curve", "mark", "title",
}  # fmt: skip
"""Component classes of every screen that shows Lines: on each of its two dozen widgets they made starting twice as long."""


class Lines(Widget):
    """Rows of spans, drawn by the line API; what is longer than the widget is cut."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"plain"}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []

    def put(self, rows: Sequence[Row]) -> None:
        """Show these rows; only those that differ from the ones shown are repainted."""
        old, self._rows = self._rows, list(rows)
        for y in range(max(len(old), len(self._rows))):
            before, after = (rows[y] if y < len(rows) else () for rows in (old, self._rows))
            if before != after:
                self.refresh(Region(0, y, max(cell_len(text_of(before)), cell_len(text_of(after))), 1))

    def row(self, y: int) -> Row:
        """The spans of row `y`."""
        return self._rows[y] if y < len(self._rows) else ()

    def render_line(self, y: int) -> Strip:
        return self.strip(self.row(y))

    def strip(self, row: Row) -> Strip:
        """A row as Textual draws it."""
        width = self.size.width
        segments = []
        plain = self.get_component_rich_style("plain")  # cached, as the widget's own rich_style is not: it cost half of a frame
        screen = self.screen
        for text, style in row:
            text = text if (length := cell_len(text)) <= width else set_cell_size(text, width)
            width -= min(length, width)
            segments.append(Segment(text, plain + screen.get_component_rich_style(style, partial=True) if style else plain))
            if width <= 0:
                break
        return Strip(segments).extend_cell_length(self.size.width, plain)

    def get_selection(self, selection: object) -> None:
        """No text selection: the mouse moves the cursor and presses toggles here."""
        return


def text_of(row: Row) -> str:
    """A row without its styles."""
    return "".join(text for text, _ in row)
