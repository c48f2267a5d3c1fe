"""All layers as horizontal bars on one logarithmic axis, in network order, so that the slope over depth is the picture.

A model of thousands of layers is folded into blocks on a key, or sorted so that the worst come first.

A frame costs what is on screen: only rows in view are drawn, and only what looks different is repainted. Textual resends
a changed row from its widget's left edge, so a row is cut into columns that are widgets of their own: the name, slices of
the bar, the figures. A bar that grows by a cell costs one slice (about 70 bytes; one widget per row cost 300).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from gradtui.diagnose.words import full_name, inert
from gradtui.stream.events import Frame, Layer, Numbers
from gradtui.ui import arrange, drawing, rows, theory
from gradtui.ui.arrange import Arrangement, Entry
from gradtui.ui.columns import Body, Column
from gradtui.ui.lines import Lines, Row
from gradtui.ui.measures import MEASURES, Measure, at
from gradtui.ui.scale import elide, padded

SLICES = 8
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
        self.measure: Measure = MEASURES[0]
        self.theory: theory.Line = []
        """What theory says of every layer's delta at initialisation; empty: nothing."""
        self.asked = Arrangement()
        self._age = 0
        self._layers: Sequence[Layer] = ()
        self._full_names: list[str] = []
        self._rows: list[Entry] = []
        self._cursor = 0
        self._chosen: int | None = None
        """The layer that the cursor was moved to, whether it has a row now or not."""
        self._frame: Frame | None = None
        self._figures: Frame | None = None
        self._ghost: Frame | None = None
        self._values: Numbers = []
        self._flags: dict[int, str] = {}
        self._axes = {measure.key: measure.axis for measure in MEASURES}
        self._drawn: dict[int, tuple[str, str]] = {}
        self._bar_width = 0
        self._name_width = LONGEST_NAME
        self._header = Lines(id="axis")
        self._names = Column(self._name_row, self._pick)
        self._slices = [Column(self._slice_row(i), self._pick) for i in range(SLICES)]
        self._cuts = [0] * (SLICES + 1)
        self._numbers = Column(self._number_row, self._pick)
        self._body = Body(Horizontal(self._names, *self._slices, self._numbers, id="columns"), id="body")

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._body

    def on_mount(self) -> None:
        self.watch(self._body, "scroll_y", self._head, init=False)

    # What is shown

    def describe(self, layers: Sequence[Layer]) -> None:
        """A run begins (again): these are its layers."""
        self._layers = layers
        self._full_names = [full_name(layer) for layer in layers]
        self.asked.opened = None
        self._frame = self._ghost = self._figures = None
        self._values = []
        self.theory = []
        self._cursor, self._chosen = 0, None
        self._lay_out()

    def show(self, frame: Frame | None, ghost: Frame | None, flags: Mapping[str, str]) -> None:
        """The newest frame, the one before the last toggle, and the severity of what is wrong by layers' full names."""
        self._frame, self._ghost = frame, ghost
        flagged = {i: flags[name] for i, name in enumerate(self._full_names) if name in flags} if flags else {}
        if flagged != self._flags or not self._values:
            self._age = SORTED_FOR
        self._flags = flagged
        self._measure()

    def _measure(self) -> None:
        """Take the newest frame's values of the measure that is shown."""
        frame = self._frame
        values = self.measure.values(frame) if frame else []
        self._values = values or (self._values if frame else [])
        axis = self._axes[self.measure.key].extended(self._values)
        if axis != self._axes[self.measure.key]:
            self._axes[self.measure.key] = axis
        self._drawn.clear()

    def repaint(self, *, figures: bool) -> None:
        """Repaint what changed on screen; `figures`: the numbers too, not only the bars."""
        self._age += 1
        if self.asked.by_trouble and self._age >= SORTED_FOR:
            self._age = 0
            if self._select() != self._rows:
                self.rearrange()
        visible = self.visible_rows
        self._head()
        if figures:
            self._figures = self._frame
            self._numbers.check(visible)
        self._names.check(visible)
        for column in self._slices:
            column.check(visible)

    @property
    def visible_rows(self) -> range:
        """The rows in view."""
        top = int(self._body.scroll_offset.y)
        return range(top, min(len(self._rows), top + self._body.size.height))

    @property
    def row_count(self) -> int:
        """Rows of all layers, headers of groups included, whatever the filter."""
        return len(self._layers) + len({layer.group for layer in self._layers if layer.group})

    @property
    def current(self) -> int | None:
        """The index of the layer under the cursor."""
        return self._rows[self._cursor].layer if self._cursor < len(self._rows) else None

    # Layout

    def choose(self, measure: Measure) -> None:
        """Show another measure."""
        self.measure = measure
        self._values = []
        self._measure()
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

    def _select(self) -> list[Entry]:
        return self.asked.entries(self._layers, self._name_width - 3, max(1, self._body.size.height), self._trouble)

    def _trouble(self, index: int) -> arrange.Trouble:
        return arrange.trouble(self._flags.get(index, ""), at(self._values, index))

    def _lay_out(self) -> None:
        if not self.is_attached:
            return
        width = self.size.width
        longest = max((cell_len(inert(layer.name)) for layer in self._layers), default=0)
        self._name_width = min(max(longest + 3, SHORTEST_NAME), LONGEST_NAME, max(8, width // 3))
        self._rows, self._age = self._select(), 0
        self._cursor = min(self._cursor, max(0, len(self._rows) - 1))
        figures = len(self.measure.heading) + 1
        self._bar_width = max(SLICES, width - self._name_width - figures)
        self._cuts = [self._bar_width * i // SLICES for i in range(SLICES + 1)]
        widths = (self._name_width, *(b - a for a, b in zip(self._cuts, self._cuts[1:], strict=False)), figures)
        for column, cells in zip((self._names, *self._slices, self._numbers), widths, strict=True):
            column.styles.width = cells
            column.styles.height = max(1, len(self._rows))
            column.forget()
        self._drawn.clear()
        self._head()

    def _head(self) -> None:
        asked = self.asked
        about = f"{'worst ' if asked.worst_first else ''}{self.measure.title}{f' /{asked.filter}' if asked.filter else ''}"
        visible = self.visible_rows
        top = self._rows[visible.start].layer if visible else None
        if (
            top is not None
            and asked.opened is None
            and (group := inert(self._layers[top].group))
            and len(group) + len(about) + 1 < self._name_width
        ):
            about = f"{group} {about}"  # its own header has been scrolled away
        part = f" {visible.start + 1}-{visible.stop}/{len(self._rows)}"
        if len(visible) < len(self._rows) and not asked.few and len(about) + len(part) < self._name_width:
            about += part
        title = padded(elide(about, self._name_width - 1), self._name_width)
        ruler = self._axes[self.measure.key].ruler(self._bar_width).ljust(self._bar_width)
        self._header.put([((title, "title"), (ruler, "muted"), (self.measure.heading + " ", "muted"))])

    # Drawing

    def _name_row(self, y: int) -> Row:
        if y >= len(self._rows):
            return (("no layer" if self._layers and not y else "", "muted"),)
        row = self._rows[y]
        if not row.members:
            return rows.group_cell(row.label, self._name_width)
        frozen = row.layer is not None and self._layers[row.layer].frozen
        severity = arrange.worst_severity(self._flags, row.members)
        return rows.name_cell(row.label, self._name_width, severity, frozen=frozen, cursor=y == self._cursor and self.has_focus)

    def _number_row(self, y: int) -> Row:
        members = self._rows[y].members if y < len(self._rows) else ()
        if not members or self._figures is None:
            return ()
        return ((self.measure.figures(self._figures, min(members, key=self._trouble)), ""),)

    def _slice_row(self, i: int) -> Callable[[int], Row]:
        def row(y: int) -> Row:
            text, codes = self._bar(y)
            part = slice(self._cuts[i], self._cuts[i + 1])
            return rows.spans(text[part], codes[part])

        return row

    def _bar(self, y: int) -> tuple[str, str]:
        if y not in self._drawn:
            self._drawn[y] = self._draw_bar(y)
        return self._drawn[y]

    def _draw_bar(self, y: int) -> tuple[str, str]:
        row = self._rows[y] if y < len(self._rows) else None
        if row is None or not row.members or not self._values:
            return " " * self._bar_width, "m" * self._bar_width
        look = drawing.Look(self.measure, self._axes[self.measure.key], self._values, self._flags, self._frame, self._ghost, self.theory)
        return drawing.bar_of(row, self._layers, look, self._bar_width)

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
        self.asked.fold(self._layers, max(1, self._body.size.height))
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
