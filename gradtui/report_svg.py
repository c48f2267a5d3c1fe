"""A post-mortem's charts as SVG, made by hand: text that a browser shows without scripts, fonts or anything from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from gradtui import plots
from gradtui.diagnose.at_init import Theory
from gradtui.diagnose.history import Point
from gradtui.diagnose.profile import log10
from gradtui.diagnose.report import Snapshot
from gradtui.diagnose.words import inert

WIDTH = 860
LEFT = 190
RIGHT = 20
TOP = 12
HEIGHT = 240
BAR = 7
"""Pixels a bar is high; a row holds one for each snapshot."""
ROWS = 60
"""The most layers that one chart shows."""
LONGEST_NAME = 26

Scale = Callable[[float], float]
"""From a number to its place on the chart."""


def shown(text: str) -> str:
    """Text from outside, made inert and safe inside HTML."""
    return escape(inert(text))


def curve(points: Sequence[Point], marks: Mapping[int, str]) -> str:
    """A curve over steps, logarithmic where all is positive, broken where it is not finite; `marks`: what happened at which step."""
    finite = [point for point in points if math.isfinite(point.value)]
    if len({point.step for point in finite}) < 2:
        return ""
    positive = all(point.value > 0 for point in finite)
    heights = [math.log10(point.value) if positive else point.value for point in finite]
    low, high = min(heights), max(heights)
    low, high = (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)
    first, last = points[0].step, points[-1].step

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / (last - first)

    def y(height: float) -> float:
        return TOP + (HEIGHT - 2 * TOP) * (1 - (height - low) / (high - low))

    parts = []
    for part in range(5):
        height = low + (high - low) * part / 4
        value = plots.number(10**height if positive else height)
        parts.append(_line(LEFT, y(height), WIDTH - RIGHT, y(height), "grid") + _text(LEFT - 8, y(height) + 4, value, "end"))
    for step, words in marks.items():
        if first <= step <= last:
            parts.append(_line(x(step), TOP, x(step), HEIGHT - TOP, "mark", f"step {step}: {words}"))
    parts += [f'<polyline class="curve" points="{" ".join(path)}"/>' for path in _paths(points, x, y, positive)]
    for point in points:
        if not math.isfinite(point.value):
            parts.append(_text(x(point.step), TOP + 10, "×", "middle", f"step {point.step}: {point.value}"))
            break  # the first one says it: what follows is mostly the same
    parts += [_text(LEFT, HEIGHT + 4, str(first), "start"), _text(WIDTH - RIGHT, HEIGHT + 4, str(last), "end")]
    return _svg(HEIGHT + 10, parts)


def _paths(points: Sequence[Point], x: Scale, y: Scale, positive: bool) -> list[list[str]]:
    paths: list[list[str]] = [[]]
    for point in points:
        if math.isfinite(point.value):
            paths[-1].append(f"{x(point.step):.1f},{y(math.log10(point.value) if positive else point.value):.1f}")
        elif paths[-1]:
            paths.append([])
    return [path for path in paths if path]


def bars(shots: Sequence[tuple[str, Snapshot]], theory: Theory | None) -> str:
    """The snapshots' profiles beside each other, layer by layer, on one logarithmic axis; theory as a line. Empty: nothing measured."""
    names = shots[0][1].layers
    logs = [
        [log10(value) if value is not None else math.nan for value in shot.values] for _, shot in shots if len(shot.values) == len(names)
    ]
    finite = [log for row in logs for log in row if math.isfinite(log)]
    if not finite or len(logs) < len(shots):
        return ""
    low, high = math.ceil(min(finite)) - 1, math.ceil(max(finite))  # the shortest bar has a length, too
    low = min(low, high - plots.NARROWEST)
    rows = [round(index * (len(names) - 1) / max(min(len(names), ROWS) - 1, 1)) for index in range(min(len(names), ROWS))]
    height = len(rows) * (BAR * len(shots) + 5)

    def x(log: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log - low) / (high - low)

    parts = []
    for decade in range(int(low), int(high) + 1, max(1, int(high - low) // 8)):
        parts.append(_line(x(decade), TOP, x(decade), TOP + height, "grid") + _text(x(decade), TOP + height + 14, f"1e{decade}", "middle"))
    middles: dict[int, float] = {}
    for place, row in enumerate(rows):
        top = TOP + place * (BAR * len(shots) + 5)
        middles[row] = top + BAR * len(shots) / 2
        name = inert(names[row])
        short = name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
        parts.append(_text(LEFT - 8, middles[row] + 4, short, "end", name))
        for order, (title, shot) in enumerate(shots):
            value = shot.values[row]
            tip = f"{name}, {title}, step {shot.step}: {plots.number(value)}"
            parts.append(_bar(title, x(low), x, logs[order][row], top + BAR * order, tip))
    parts.append(_theory(theory, shots[0][1], middles, x))
    return _svg(TOP + height + 22, parts)


def _bar(title: str, left: float, x: Scale, log: float, top: float, tip: str) -> str:
    if math.isnan(log) or log == -math.inf:
        return f'<text class="state" x="{left + 3:.1f}" y="{top + BAR:.1f}">{escape(tip.rpartition(": ")[2])}</text>'
    width = max(1.0, x(log) - left)
    return f'<rect class="{title}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR - 1}"><title>{escape(tip)}</title></rect>'


def _theory(theory: Theory | None, start: Snapshot, middles: Mapping[int, float], x: Scale) -> str:
    """Theory's profile through the last row that was measured where it has a word."""
    if theory is None or theory.step != start.step or theory.layers[-1] not in start.layers:
        return ""
    anchor = start.values[start.layers.index(theory.layers[-1])]
    predicted = dict(zip(theory.layers, theory.predicted, strict=True))
    rows = [(row, log) for row, name in enumerate(start.layers) if row in middles and (log := predicted.get(name)) is not None]
    if not anchor or not 0 < anchor < math.inf or len(rows) < 2:
        return ""
    points = " ".join(f"{x(math.log10(anchor) + log):.1f},{middles[row]:.1f}" for row, log in rows)
    return f'<polyline class="theory" points="{points}"><title>theory at initialisation</title></polyline>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str, tip: str = "") -> str:
    title = f"<title>{shown(tip)}</title>" if tip else ""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">{title}</line>'


def _text(x: float, y: float, text: str, anchor: str, tip: str = "") -> str:
    title = f"<title>{shown(tip)}</title>" if tip else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown(text)}{title}</text>'


def _svg(height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
