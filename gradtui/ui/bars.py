"""All layers as horizontal bars on one logarithmic axis, in network order, so that the slope over depth is the picture.

A model of thousands of layers is folded into blocks on a key, or sorted so that the worst come first.

A frame costs what is on screen: only rows in view are drawn, and only what looks different is repainted. Textual resends
a changed row from its widget's left edge, so a row is cut into columns that are widgets of their own: the name, slices of
the bar, the figures. A bar that grows by a cell costs one slice (about 70 bytes; one widget per row cost 300).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from gradtui.diagnose.words import inert
from gradtui.stream.events import Frame, Layer
from gradtui.ui.arrange import Arrangement, Entry
from gradtui.ui.columns import Body, Column
from gradtui.ui.drawing import SLICES, Drawing
from gradtui.ui.lines import Lines, Row
from gradtui.ui.measures import Measure

LONGEST_NAME = 24
SHORTEST_NAME = 18
"""So that the measure's name fits over them."""

SORTED_FOR = 30
"""Repaints for which an order by what is worst stands, unless a warning comes or goes: nobody reads rows that swap at every frame."""


class LayerBars(Vertical, can_focus=True):
    """The bars, with a cursor, a filter and a choice of what they show."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "Up", id="bars.up", show=False, tooltip="The layer above."),
        Binding("down,j", "cursor(1)", "Down", id="bars.down", show=False, tooltip="The layer below."),
        Binding("pageup", "page(-1)", "Page up", id="bars.pageup", show=False, tooltip="One screenful up."),
        Binding("pagedown", "page(1)", "Page down", id="bars.pagedown", show=False, tooltip="One screenful down."),
        Binding("home,g", "cursor(-1000000)", "First", id="bars.first", show=False, tooltip="The first layer."),
        Binding("end,G", "cursor(1000000)", "Last", id="bars.last", show=False, tooltip="The last layer."),
        Binding("enter", "detail", "Layer", id="bars.detail", show=False, tooltip="All numbers of the layer, or open and close the block."),
        Binding("b", "fold", "Blocks", id="bars.fold", show=False, tooltip="Fold layers into the modules they are parts of; b again: all."),
        Binding(
            "B", "order", "Order", id="bars.order", show=False, tooltip="The worst first: by warning, then the smallest; B again: as built."
        ),
    ]

    class Picked(Message):
        """A layer was asked about."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.drawing = Drawing()
        self.asked = Arrangement()
        self._age = 0
        self._cursor = 0
        self._chosen: int | None = None
        """The layer that the cursor was moved to, whether it has a row now or not."""
        self._header = Lines(id="axis")
        self._names = Column(self._named, self._pick)
        self._slices = [Column(partial(self.drawing.piece, i), self._pick) for i in range(SLICES)]
        self._figures = Column(self.drawing.figures, self._pick)
        self._body = Body(Horizontal(self._names, *self._slices, self._figures, id="columns"), id="body")

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._body

    def on_mount(self) -> None:
        self.watch(self._body, "scroll_y", self._head, init=False)

    # What is shown

    def describe(self, layers: Sequence[Layer]) -> None:
        """A run begins (again): these are its layers."""
        self.drawing.describe(layers)
        self.asked.opened = None
        self._cursor, self._chosen = 0, None
        self._lay_out()

    def show(self, frame: Frame | None, ghost: Frame | None, flags: Mapping[str, str]) -> None:
        """The newest frame, the one that the marks are of, and the severity of what is wrong by layers' full names."""
        if self.drawing.show(frame, ghost, flags):
            self._age = SORTED_FOR

    def repaint(self, *, figures: bool) -> None:
        """Repaint what changed on screen; `figures`: the numbers too, not only the bars."""
        self._age += 1
        if self.asked.by_trouble and self._age >= SORTED_FOR:
            self._age = 0
            if self._select(self.drawing.name_width) != self._rows:
                self.rearrange()
        visible = self.visible_rows
        self._head()
        if figures:
            self.drawing.renew_figures()
            self._figures.check(visible)
        for column in (self._names, *self._slices):
            column.check(visible)

    @property
    def visible_rows(self) -> range:
        """The rows in view."""
        top = int(self._body.scroll_offset.y)
        return range(top, min(len(self._rows), top + self._body.size.height))

    @property
    def row_count(self) -> int:
        """Rows of all layers, headers of groups included, whatever the filter."""
        layers = self.drawing.layers
        return len(layers) + len({layer.group for layer in layers if layer.group})

    @property
    def current(self) -> int | None:
        """The index of the layer under the cursor."""
        return self._rows[self._cursor].layer if self._cursor < len(self._rows) else None

    @property
    def _rows(self) -> list[Entry]:
        return self.drawing.entries

    # Layout

    def choose(self, measure: Measure) -> None:
        """Show another measure."""
        self.drawing.choose(measure)
        self._lay_out()

    def refilter(self, text: str) -> None:
        """Show only layers whose full name contains `text`."""
        self.asked.filter = text
        self._cursor, self._chosen = 0, None
        self._lay_out()

    def rearrange(self) -> None:
        """Lay the rows out anew, in another order or for other room; the cursor stays on the layer that it was moved to."""
        self._lay_out()
        if self._chosen is not None and self._chosen != self.current:
            self._move(next((y for y, row in enumerate(self._rows) if row.layer == self._chosen), self._cursor))

    def on_resize(self) -> None:
        self.rearrange()

    def _select(self, name_width: int) -> list[Entry]:
        return self.asked.entries(self.drawing.layers, name_width - 3, max(1, self._body.size.height), self.drawing.trouble)

    def _lay_out(self) -> None:
        if not self.is_attached:
            return
        width = self.size.width
        longest = max((cell_len(inert(layer.name)) for layer in self.drawing.layers), default=0)
        name_width = min(max(longest + 3, SHORTEST_NAME), LONGEST_NAME, max(8, width // 3))
        widths = self.drawing.lay_out(self._select(name_width), name_width, width)
        self._age = 0
        self._cursor = min(self._cursor, max(0, len(self._rows) - 1))
        for column, cells in zip((self._names, *self._slices, self._figures), widths, strict=True):
            column.styles.width = cells
            column.styles.height = max(1, len(self._rows))
            column.forget()
        self._head()

    def _head(self) -> None:
        self._header.put([self.drawing.head(self.visible_rows, self.asked)])

    def _named(self, y: int) -> Row:
        return self.drawing.name(y, cursor=y == self._cursor and self.has_focus)

    # The cursor

    def action_cursor(self, by: int) -> None:
        last = len(self._rows) - 1
        if last < 0:
            return
        target = max(0, min(last, self._cursor + by))
        if not self._rows[target].members:
            target = target + 1 if by > 0 or target == 0 else target - 1
        self._move(max(0, min(last, target)))
        self._chosen = self.current

    def action_page(self, by: int) -> None:
        self.action_cursor(by * max(1, self._body.size.height - 1))

    def action_detail(self) -> None:
        if self.current is not None:
            self.post_message(self.Picked(self.current))
        elif self._cursor < len(self._rows):
            self.asked.open(self._rows[self._cursor].path)
            self._lay_out()

    def action_fold(self) -> None:
        self.asked.fold(self.drawing.layers, max(1, self._body.size.height))
        self._from_the_top()
        if self.asked.opened is not None and not any(row.path for row in self._rows):
            self.asked.opened = None
            self.notify("nothing to fold: no two of these layers are parts of one module")

    def action_order(self) -> None:
        self.asked.worst_first = not self.asked.worst_first
        self._from_the_top()

    def _from_the_top(self) -> None:
        """Other rows, from the top."""
        self._cursor = 0
        self._lay_out()
        self._body.scroll_to(y=0, animate=False)
        self.action_cursor(0)
        self._chosen = None

    def _pick(self, y: int) -> None:
        self.focus()
        if y == self._cursor:
            self.action_detail()
        self._move(y)
        self._chosen = self.current

    def _move(self, target: int) -> None:
        self._cursor = target
        top, height = int(self._body.scroll_offset.y), self._body.size.height
        if not top <= target < top + height:
            self._body.scroll_to(y=target if target < top else target - height + 1, animate=False)
        self._names.check(self.visible_rows)

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self._names.check(self.visible_rows)
