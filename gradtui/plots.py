"""Charts in plain text: 80 columns, no colour, drawn by plotext from numbers that are finite."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gradtui.diagnose.history import Point
from gradtui.diagnose.words import inert
from gradtui.stream.events import Numbers

WIDTH = 80
ROWS = 40
"""The most layers that one chart shows."""
LONGEST_NAME = 24
NARROWEST = 3
"""Decades that the axis spans at the least: noise must not look like a slope."""
CURVE = 14
"""Lines of a curve's chart."""
MARKS = 8
"""The most steps that are marked on one: their numbers need room."""

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def charts(names: Sequence[str], deltas: Sequence[tuple[str, Numbers]]) -> list[str]:
    """One bar chart for each titled row of numbers, on one common logarithmic axis; empty when nothing was measured."""
    measured = [(title, numbers) for title, numbers in deltas if len(numbers) == len(names)]
    logs = [math.log10(value) for _, numbers in measured for value in numbers if value and 0 < value < math.inf]
    if not logs:
        return []
    low, high = math.ceil(min(logs)) - 1, math.ceil(max(logs))  # the shortest bar has a length, too
    low = min(low, high - NARROWEST)
    shown = _evenly(len(names))
    more = f" ({len(shown)} of {len(names)} layers)" if len(shown) < len(names) else ""
    labels = [inert(names[row]) for row in shown]
    return [_chart(title + more, labels, [numbers[row] for row in shown], low, high) for title, numbers in measured]


def _evenly(count: int) -> list[int]:
    """At most ROWS row numbers, the first and the last among them."""
    rows = min(count, ROWS)
    return [round(index * (count - 1) / max(rows - 1, 1)) for index in range(rows)]


def _chart(title: str, labels: Sequence[str], numbers: Numbers, low: int, high: int) -> str:
    """Horizontal bars, the first layer on top. plotext takes finite numbers only and is given log10, since its own
    logarithmic axis raises on zero and infinity; what has no bar says so in its label."""
    count = len(labels)
    figure = _figure(title, count + 4)
    places = list(range(count, 0, -1))
    bars = [(place, math.log10(value)) for place, value in zip(places, numbers, strict=True) if value and 0 < value < math.inf]
    if bars:
        figure.draw(figure.bar([place for place, _ in bars], [low] * len(bars), [height for _, height in bars], orientation="h", width=0.1))
    figure.ruler("x").lim(low, high)
    figure.ruler("y").lim(1, count) if count > 1 else figure.ruler("y").lim(0.5, 1.5)
    ticks = range(low, high + 1, max(1, (high - low) // 6))
    figure.ruler("x").ticks(list(ticks), [f"1e{tick}" for tick in ticks])
    figure.ruler("y").ticks(places, [_label(label, value) for label, value in zip(labels, numbers, strict=True)])
    return _drawn(figure)


def curve(title: str, points: Sequence[Point], marks: Iterable[int] = ()) -> list[str]:
    """A curve over steps, on a logarithmic axis where it can be, with lines at `marks`; empty under two finite points."""
    finite = [point for point in points if math.isfinite(point.value)]
    if len({point.step for point in finite}) < 2:
        return []
    positive = all(point.value > 0 for point in finite)
    values = [math.log10(point.value) if positive else point.value for point in finite]
    left = len(points) - len(finite)
    figure = _figure(title + (f" ({left} points not finite)" if left else ""), CURVE)
    figure.draw(figure.signal([point.step for point in finite], values, marker="*").lines(True))
    first, last = finite[0].step, finite[-1].step
    inside = sorted({mark for mark in marks if first < mark < last})[:MARKS]
    if inside:
        figure.event(inside)  # before the limits: it sets its own
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    ticks = [low + (high - low) * part / 4 for part in range(5)]
    figure.ruler("y").lim(low, high)
    figure.ruler("y").ticks(ticks, [number(10**tick if positive else tick) for tick in ticks])
    steps = [first, *inside, last]
    figure.ruler("x").lim(first, last)
    figure.ruler("x").ticks(steps, [str(step) for step in steps])
    return [_drawn(figure)]


def _figure(title: str, height: int) -> Any:
    import plotext

    terminal = type(plotext.terminal)()
    terminal.limit(False, False)
    figure = type(plotext.figure)(parent=terminal)
    figure.plot_size(WIDTH, height)
    figure.theme("colorless")
    figure.title(title)
    return figure


def _drawn(figure: Any) -> str:
    drawn = _STYLE.sub("", figure.build().string())
    return "\n".join(row.rstrip() for row in drawn.splitlines())


def _label(name: str, value: float | None) -> str:
    short_name = name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
    return f"{short_name} {number(value):>8}"


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if (math.isfinite(value) and 1e-3 <= abs(value) < 1e4) or value == 0 else f"{value:.2e}"
