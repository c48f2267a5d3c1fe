"""A run in plain text: one line a moment, and at the end what changed, with the profile before and after as bars.

The text is the same whether or not a terminal reads it: 80 columns, no colour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from gradtui.diagnose import profile
from gradtui.diagnose.at_init import compare
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import full_name, inert, short
from gradtui.stream.events import Frame, Hello, Numbers

WIDTH = 80
ROWS = 40
"""The most layers that one chart shows."""
LONGEST_NAME = 24
NARROWEST = 3
"""Decades that the axis spans at the least: noise must not look like a slope."""

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def line(state: RunState) -> str:
    """Where the run stands, in one line."""
    frame = state.frame
    if frame is None:
        return "no frame yet"
    parts = [f"step {frame.step}", f"loss {_number(frame.loss)}"]
    parts += [f"{inert(name)} {value:.3g}" for name, value in frame.metrics.items()]
    parts += [f"gradient {_number(frame.total_norm)}"]
    if state.hello and (span := _span(state.hello, frame)):
        parts.append(f"span {span}")
    if frame.steps_per_second:
        parts.append(f"{frame.steps_per_second:.0f} steps/s")
    return "  ".join(parts)


def edge(warning: Warning, state: RunState) -> str:
    """A warning that opened, changed or closed, as a sentence."""
    return f"step {warning.step}  {short(warning, state.hello.toggles if state.hello else ())}"


def whole(state: RunState, first: Frame | None, edges: Sequence[Warning]) -> str:
    """The run's end: how it ended, the profile at its first frame and at its last, and its warnings."""
    hello, last = state.hello, state.frame
    blocks = [_verdict(state)]
    if hello and first and last:
        frames = [first] if first is last else [first, last]
        blocks += charts([full_name(layer) for layer in hello.layers], [(_title(hello, frame), frame.delta_rms) for frame in frames])
    blocks.append("\n".join(["warnings", *(f"  {edge(warning, state)}" for warning in edges)]) if edges else "no warnings")
    return "\n\n".join(blocks)


def _verdict(state: RunState) -> str:
    name = inert(state.hello.run) if state.hello else "the run"
    end = state.end
    how = f"{end.reason}: {inert(end.error)}" if end and end.error else end.reason if end else "not ended"
    return f"{name}: {how}\n{line(state)}"


def _title(hello: Hello, frame: Frame) -> str:
    span = _span(hello, frame)
    theory = compare(hello, frame)
    predicted = f", theory {theory.predicted_span:+.2f}" if theory else ""
    return f"delta at step {frame.step}" + (f", span {span}{predicted}" if span else "")


def _span(hello: Hello, frame: Frame) -> str:
    """The spans of the frame's profiles, as `-4.45 decades`."""
    if len(frame.delta_rms) != len(hello.layers):
        return ""
    found = []
    for where in profile.rows(hello.layers):
        seen = profile.read(where, frame.delta_rms)
        if seen.span is not None:
            found.append(f"{inert(where.group)} {seen.span:+.2f}".strip())
    return f"{', '.join(found)} decades" if found else ""


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
    import plotext

    terminal = type(plotext.terminal)()
    terminal.limit(False, False)
    figure = type(plotext.figure)(parent=terminal)
    count = len(labels)
    figure.plot_size(WIDTH, count + 4)
    figure.theme("colorless")
    figure.title(title)
    places = list(range(count, 0, -1))
    bars = [(place, math.log10(value)) for place, value in zip(places, numbers, strict=True) if value and 0 < value < math.inf]
    if bars:
        figure.draw(figure.bar([place for place, _ in bars], [low] * len(bars), [height for _, height in bars], orientation="h", width=0.1))
    figure.ruler("x").lim(low, high)
    figure.ruler("y").lim(1, count) if count > 1 else figure.ruler("y").lim(0.5, 1.5)
    ticks = range(low, high + 1, max(1, (high - low) // 6))
    figure.ruler("x").ticks(list(ticks), [f"1e{tick}" for tick in ticks])
    figure.ruler("y").ticks(places, [_label(label, value) for label, value in zip(labels, numbers, strict=True)])
    drawn = _STYLE.sub("", figure.build().string())
    return "\n".join(row.rstrip() for row in drawn.splitlines())


def _label(name: str, value: float | None) -> str:
    short_name = name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
    return f"{short_name} {_number(value):>8}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if (math.isfinite(value) and 1e-3 <= abs(value) < 1e4) or value == 0 else f"{value:.2e}"
