"""A recording's pictures: the profiles at the start, at their steepest and at the end, and the curves of loss and gradient norm.

The report's own charts, each as a file that any program draws: plain colours on white, no variables, nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gradtui import report_svg, report_text
from gradtui.diagnose.history import Point
from gradtui.diagnose.postmortem import Examination
from gradtui.diagnose.report import Report
from gradtui.report_svg import shown
from gradtui.stream.events import Event

COLOURS = {"start": "#88aaaa", "worst": "#cc3333", "end": "#2277cc", "theory": "#cc8800"}

STYLE = "".join(
    [
        "text { font: 11px sans-serif; fill: #1a1a1a; } .head { font-size: 13px; font-weight: bold; }",
        ".grid { stroke: #cccccc; stroke-width: .5; } .mark { stroke: #cc3333; stroke-width: 2; stroke-dasharray: 3 3; }",
        ".curve { fill: none; stroke: #2277cc; stroke-width: 1.5; } polyline.theory { fill: none; stroke: #cc8800; stroke-width: 2; }",
        *(f"rect.{name} {{ fill: {colour}; }}" for name, colour in COLOURS.items()),
    ]
)

LINE = 18
"""Pixels between two lines of the heading."""


def export(events: Iterable[Event], where: Path) -> list[Path]:
    """Write what there is to draw under `where`; returns the files, none where nothing was measured. Raises OSError."""
    examination = Examination()
    for event in events:
        examination.take(event)
    written = []
    for name, drawing in _drawings(examination.report(), examination.state.history.total_norm.points):
        where.mkdir(parents=True, exist_ok=True)
        path = where / f"{name}.svg"
        path.write_text(drawing, encoding="utf-8")
        written.append(path)
    return written


def _drawings(report: Report, norms: Sequence[Point]) -> Iterator[tuple[str, str]]:
    """Each drawing with its name. Where the layers were not the same throughout, the profiles stand on several."""
    groups = report_text.alike(report_text.chosen(report))
    for number, group in enumerate(groups, 1):
        theory = report.theory if group[0][0] == "start" else None
        if chart := report_svg.bars(group, theory):
            keys = [(name, report_text.title(name, shot, report)) for name, shot in group]
            keys += [("theory", "theory at initialisation")] if 'class="theory"' in chart else []
            yield f"profile-{number}" if len(groups) > 1 else "profile", _document(chart, _heading(report), keys)
    last = max((trial.attempt for trial in report.trials), default=0)
    marks = {trial.step: report_text.changes(trial) for trial in report.trials if trial.attempt == last and not trial.restart}
    which = f" of the last of {report.attempts} attempts" if report.attempts > 1 else ""
    curves = (("loss", "loss", report.losses[-1] if report.losses else []), ("total_norm", "norm of the whole gradient", norms))
    for name, title, points in curves:
        if chart := report_svg.curve(points, marks):
            yield name, _document(chart, f"{_heading(report)} · {title}{which}", [])


def _heading(report: Report) -> str:
    return report.run or "a recording without its beginning"


def _document(chart: str, heading: str, keys: Sequence[tuple[str, str]]) -> str:
    """The chart under a heading and a line for each key."""
    found = re.match(r'<svg viewBox="0 0 (\d+) (\d+)"', chart)
    assert found is not None
    width, height = int(found[1]), int(found[2])
    top = LINE * (len(keys) + 1) + 8
    lines = [f'<text class="head" x="10" y="{LINE}">{shown(heading)}</text>']
    for place, (name, words) in enumerate(keys, 2):
        lines.append(f'<rect class="{name}" x="10" y="{place * LINE - 9}" width="10" height="10"/>')
        lines.append(f'<text x="26" y="{place * LINE}">{shown(words)}</text>')
    size = f'width="{width}" height="{top + height}" viewBox="0 0 {width} {top + height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style><rect width="100%" height="100%" fill="#ffffff"/>'
    inner = chart.replace("<svg ", f'<svg y="{top}" width="{width}" height="{height}" ', 1)
    return f"{head}{''.join(lines)}{inner}</svg>\n"
