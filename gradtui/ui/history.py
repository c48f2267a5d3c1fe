"""Loss and gradient norm over the run, drawn by plotext, with a line where each toggle came into force.

plotext draws linear axes reliably and logarithmic ones not (zero and infinity end the program), so log10 is taken and
every limit and label is set here, and only finite numbers reach it. The axes grow by whole decades and by 1-2-5 steps and
stay, so a curve grows into its chart and few rows change from one drawing to the next. plotext takes a quarter of a
second to import, so that waits for the first curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradtui.diagnose.history import History, Point
from gradtui.ui.lines import Lines, Row
from gradtui.ui.scale import Axis, number, state, wrapped

OTHER = "·"
"""What another run's curve is drawn with."""

GAP = 2
"""Cells between two charts beside each other."""

STACKED_FROM = 13
"""Rows from which the charts stand one over the other."""


class HistoryPanel(Lines):
    """Two charts: the loss, and the total gradient norm before clipping."""

    def __init__(self, *, ascii: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marker = "*" if ascii else "hd"
        self._axes: dict[str, Axis] = {}
        self._drawn: tuple[object, ...] = ()
        self._heads: dict[str, Row] = {}

    def forget(self) -> None:
        """Another run: its axes begin anew."""
        self._axes.clear()
        self._heads.clear()

    def show(self, history: History, other: Sequence[Point] = ()) -> None:
        """Draw the curves if there is anything new in them; `other`: the losses of a run that this one is compared with."""
        width, height = self.size
        loss, norm = history.loss.points, history.total_norm.points
        marks = [mark.step for mark in history.marks[history.earlier_marks :]]
        seen = (width, height, len(marks), loss[-1:], norm[-1:], len(loss), other[-1:], len(other))
        if seen == self._drawn or not self.display or height < 3 or width < 16:
            return
        self._drawn = seen
        if height >= STACKED_FROM:
            half = height // 2
            upper = self._chart("loss", loss, marks, width, half, other)
            self.put(upper + self._chart("total gradient", norm, marks, width, height - half))
            return
        half = (width - GAP) // 2
        left, right = self._chart("loss", loss, marks, half, height, other), self._chart("total gradient", norm, marks, half, height)
        self.put([(*a, (" " * GAP, ""), *b) for a, b in zip(left, right, strict=True)])

    def head(self, history: History, other: Sequence[Point] = ()) -> None:
        """Renew the values over the charts, and those only here: they stand in the status line too, which is drawn when this is."""
        width, height = self.size
        if height < 3 or width < 16:
            return
        stacked = height >= STACKED_FROM
        room = width if stacked else (width - GAP) // 2
        loss = self._heads["loss"] = title_row("loss", history.loss.points, room, other)
        norm = self._heads["total gradient"] = title_row("total gradient", history.total_norm.points, room)
        if len(self._rows) == height:
            rows = list(self._rows)
            if stacked:
                rows[0], rows[height // 2] = loss, norm
            else:
                rows[0] = (*loss, (" " * GAP, ""), *norm)
            self.put(rows)

    def _chart(
        self, title: str, points: Sequence[Point], marks: Sequence[int], width: int, height: int, other: Sequence[Point] = ()
    ) -> list[Row]:
        """A title row and `height - 1` rows of curve, `width` cells wide."""
        finite, others = drawable(points), drawable(other)
        both = [*finite, *others]
        head = self._heads.get(title) or title_row(title, points, width, other)
        if not both:
            why = wrapped("nothing above zero that a logarithmic axis could show", width - 2, height - 1) if points else []
            return [head, *(((f" {line}".ljust(width), "muted"),) for line in why)] + [((" " * width, ""),)] * (height - 1 - len(why))
        # An axis begins with the first point: one that was drawn before it would reach for ever to where there is none.
        axis = self._axes[title] = self._axes.get(title, _first_axis(both)).extended(point.value for point in both)
        return [head, *(curve_row(line, width) for line in draw(finite, axis, marks, width, height - 1, self._marker, others))]


def drawable(points: Sequence[Point]) -> list[Point]:
    """Those that have a place on a logarithmic axis."""
    return [point for point in points if not state(point.value) and point.value > 0]


def until(points: Sequence[Point], step: int) -> Sequence[Point]:
    """Those up to a step."""
    return [point for point in points if point.step <= step]


def title_row(title: str, points: Sequence[Point], width: int, other: Sequence[Point] = ()) -> Row:
    """What a chart shows, its newest value, and the other run's of the same step."""
    room = max(0, width - len(title))
    beside = f"  · {heading(until(other, points[-1].step))}" if other and points else ""
    return (title, "title"), (f" {heading(points, room - 1)}{beside}"[:room].ljust(room), "")


def heading(points: Sequence[Point], room: int = 80) -> str:
    """The newest value in words, and since when it has not been finite, in at most `room` cells."""
    if not points:
        return ""
    last = number(points[-1].value)
    broken = next((point for point in points if not math.isfinite(point.value)), None)
    if broken is None or math.isfinite(points[-1].value):
        return last
    texts = (f"{last}  not finite since step {broken.step:,}", f"{last}  since step {broken.step:,}")
    return next((text for text in texts if len(text) <= room), last)


def _first_axis(points: Sequence[Point]) -> Axis:
    low = math.floor(math.log10(points[0].value))
    return Axis(low, low + 1)


def last_step(points: Sequence[Point]) -> int:
    """The right end of the axis: the next of 10, 20, 50, 100 … steps."""
    needed = max(10, points[-1].step)
    scale: int = 10 ** (len(str(needed)) - 1)
    return next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= needed)


def thinned(points: Sequence[Point], columns: int, end: int) -> list[Point]:
    """At most the lowest and the highest point of each column: what can be seen, and spikes are never lost."""
    buckets: dict[int, list[Point]] = {}
    for point in points:
        buckets.setdefault(point.step * columns // (end + 1), []).append(point)
    kept = []
    for bucket in buckets.values():
        ends = {min(bucket, key=lambda point: point.value), max(bucket, key=lambda point: point.value)}
        kept += sorted(ends)
    return kept


def draw(
    points: Sequence[Point], axis: Axis, marks: Sequence[int], width: int, height: int, marker: str, other: Sequence[Point] = ()
) -> list[str]:
    """The lines of a chart of positive finite points, as plotext draws them, without colours; `other`: another run's, dotted."""
    import plotext

    terminal = type(plotext.terminal)()
    terminal.limit(False, False)  # a figure of its own size, whatever the terminal's
    figure: Any = type(plotext.figure)(parent=terminal)
    figure.plot_size(width, height)
    figure.axes(False, axis="x")
    figure.axes(False, axis="y", side="right")
    end = last_step(sorted([*points[-1:], *other[-1:]]))
    for curve, sign in ((other, OTHER), (points, marker)):
        if kept := thinned(curve, max(1, width - 6), end):
            figure.draw(figure.signal([p.step for p in kept], [math.log10(p.value) for p in kept], marker=sign).lines(len(kept) > 1))
    if marks:
        figure.event([step for step in marks if step <= end])
    figure.ruler("x").lim(0, end)
    figure.ruler("y").lim(axis.low, axis.high)
    figure.ruler("x").ticks([0, end // 2, end], ["0", f"{end // 2:,}", f"{end:,}"])
    decades = range(axis.low, axis.high + 1, max(1, math.ceil((axis.high - axis.low) / max(1, (height - 2) // 2))))
    figure.ruler("y").ticks(list(decades), [f"1e{decade}" for decade in decades])
    lines = str(figure.build().string(True)).split("\n")
    return [line.ljust(width)[:width] for line in lines[:height]] + [" " * width] * (height - len(lines))


def curve_row(line: str, width: int) -> Row:
    """A line of the chart as spans: labels and frame muted, curve and toggle marks in their colours."""
    left, frame, rest = line.partition("│") if "│" in line[:8] else line.partition("┤")
    if not frame:
        return ((line.ljust(width)[:width], "muted"),)
    row: list[tuple[str, str]] = [(left + frame, "muted")]
    text = ""
    for character in rest:
        if character in ("│", OTHER):
            row += [(text, "curve")] if text else []
            row.append((character, "mark" if character == "│" else "ghost"))
            text = ""
        else:
            text += character
    return tuple(row + ([(text, "curve")] if text else []))
