"""What the bars show, and each of their rows as it is drawn: a name, a bar with theory and the ghost, figures, and the line over all.

No widget: what a row looks like follows from the newest frame, the measure and the widths, and is kept until one of them changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradtui.diagnose.words import full_name, inert
from gradtui.stream.events import Frame, Layer, Numbers
from gradtui.ui import arrange, rows, theory
from gradtui.ui.arrange import Arrangement, Entry
from gradtui.ui.lines import Row
from gradtui.ui.measures import MEASURES, Measure, at
from gradtui.ui.scale import Axis, elide, padded

SLICES = 8
"""Parts of a bar, each a column of its own."""


class Drawing:
    """The rows of the bars."""

    def __init__(self) -> None:
        self.measure: Measure = MEASURES[0]
        self.theory: theory.Line = []
        """What theory says of every layer's delta at initialisation; empty: nothing."""
        self.layers: Sequence[Layer] = ()
        self.entries: list[Entry] = []
        """The rows there are, from the top."""
        self.name_width = self.bar_width = 0
        self._cuts = [0] * (SLICES + 1)
        self._names: list[str] = []
        self._frame: Frame | None = None
        self._figures: Frame | None = None
        self._ghost: Frame | None = None
        self._values: Numbers = []
        self._flags: dict[int, str] = {}
        self._axes = {measure.key: measure.axis for measure in MEASURES}
        self._drawn: dict[int, tuple[str, str]] = {}

    # What is shown

    def describe(self, layers: Sequence[Layer]) -> None:
        """A run begins (again): these are its layers."""
        self.layers = layers
        self._names = [full_name(layer) for layer in layers]
        self._frame = self._ghost = self._figures = None
        self._values = []
        self.theory = []

    def show(self, frame: Frame | None, ghost: Frame | None, flags: Mapping[str, str]) -> bool:
        """The newest frame, the one that the marks are of, and the severity of what is wrong by layers' full names.

        Returns whether the rows may have another order now: what is wrong is no longer the same, or nothing was shown."""
        self._frame, self._ghost = frame, ghost
        flagged = {i: flags[name] for i, name in enumerate(self._names) if name in flags} if flags else {}
        other = flagged != self._flags or not self._values
        self._flags = flagged
        self._measure()
        return other

    def choose(self, measure: Measure) -> None:
        """Show another measure."""
        self.measure = measure
        self._values = []
        self._measure()

    def renew_figures(self) -> None:
        """The figures are the newest frame's: else they stand while bars go on."""
        self._figures = self._frame

    def lay_out(self, entries: list[Entry], name_width: int, width: int) -> tuple[int, ...]:
        """Draw these rows `width` cells wide; returns the cells of each column."""
        figures = len(self.measure.heading) + 1
        self.entries, self.name_width = entries, name_width
        self.bar_width = max(SLICES, width - name_width - figures)
        self._cuts = [self.bar_width * i // SLICES for i in range(SLICES + 1)]
        self._drawn.clear()
        return (name_width, *(b - a for a, b in zip(self._cuts, self._cuts[1:], strict=False)), figures)

    def trouble(self, index: int) -> arrange.Trouble:
        """How bad it is about a layer."""
        return arrange.trouble(self._flags.get(index, ""), at(self._values, index))

    def _measure(self) -> None:
        """Take the newest frame's values of the measure that is shown."""
        frame = self._frame
        values = self.measure.values(frame) if frame else []
        self._values = values or (self._values if frame else [])
        self._axes[self.measure.key] = self._axes[self.measure.key].extended(self._values)
        self._drawn.clear()

    # How it looks

    def head(self, visible: range, asked: Arrangement) -> Row:
        """The line over the rows: what they show, which of them are in view, and the axis."""
        about = f"{'worst ' if asked.worst_first else ''}{self.measure.title}{f' /{asked.filter}' if asked.filter else ''}"
        top = self.entries[visible.start].layer if visible else None
        group = inert(self.layers[top].group) if top is not None and asked.opened is None else ""
        if group and len(group) + len(about) + 1 < self.name_width:
            about = f"{group} {about}"  # its own header has been scrolled away
        part = f" {visible.start + 1}-{visible.stop}/{len(self.entries)}"
        if len(visible) < len(self.entries) and not asked.few and len(about) + len(part) < self.name_width:
            about += part
        title = padded(elide(about, self.name_width - 1), self.name_width)
        ruler = self._axes[self.measure.key].ruler(self.bar_width).ljust(self.bar_width)
        return ((title, "title"), (ruler, "muted"), (self.measure.heading + " ", "muted"))

    def name(self, y: int, *, cursor: bool) -> Row:
        if y >= len(self.entries):
            return (("no layer" if self.layers and not y else "", "muted"),)
        entry = self.entries[y]
        if not entry.members:
            return rows.group_cell(entry.label, self.name_width)
        frozen = entry.layer is not None and self.layers[entry.layer].frozen
        severity = arrange.worst_severity(self._flags, entry.members)
        return rows.name_cell(entry.label, self.name_width, severity, frozen=frozen, cursor=cursor)

    def piece(self, i: int, y: int) -> Row:
        """Part `i` of a bar."""
        text, codes = self.bar(y)
        cells = slice(self._cuts[i], self._cuts[i + 1])
        return rows.spans(text[cells], codes[cells])

    def figures(self, y: int) -> Row:
        members = self.entries[y].members if y < len(self.entries) else ()
        if not members or self._figures is None:
            return ()
        return ((self.measure.figures(self._figures, min(members, key=self.trouble)), ""),)

    def bar(self, y: int) -> tuple[str, str]:
        """A bar's characters, and their style letters."""
        if y not in self._drawn:
            self._drawn[y] = self._draw(y)
        return self._drawn[y]

    def _draw(self, y: int) -> tuple[str, str]:
        entry = self.entries[y] if y < len(self.entries) else None
        if entry is None or not entry.members or not self._values:
            return " " * self.bar_width, "m" * self.bar_width
        axis = self._axes[self.measure.key]
        hot = bool(arrange.worst_severity(self._flags, entry.members))
        if entry.layer is None:
            return self._block(entry.members, axis, hot=hot)
        return self._layer(entry.layer, axis, hot=hot)

    def _block(self, members: Sequence[int], axis: Axis, *, hot: bool) -> tuple[str, str]:
        """The values of the layers that are folded into one row."""
        text, codes = rows.block([at(self._values, i) for i in members], axis, self.bar_width, hot=hot)
        before = self._before()
        return rows.marked(text, codes, rows.middle([at(before, i) for i in members]), axis, rows.GHOST, "g")

    def _layer(self, index: int, axis: Axis, *, hot: bool) -> tuple[str, str]:
        """A layer's value with theory and the ghost."""
        note = "frozen" if self.layers[index].frozen else "not measured, or no gradient"
        text, codes = rows.drawn(at(self._values, index), axis, self.bar_width, hot=hot, note=note)
        point = theory.point(self.theory, index)
        if self.measure is MEASURES[0] and self._frame and point:
            style = ("s", "t") if theory.holds(self._frame) else ("f", "f")
            text, codes = rows.shaded(text, codes, point.edges, axis, style[0])
            text, codes = rows.marked(text, codes, point.delta, axis, rows.THEORY, style[1])
        return rows.marked(text, codes, at(self._before(), index), axis, rows.GHOST, "g")

    def _before(self) -> Numbers:
        return self.measure.values(self._ghost) if self._ghost else []
