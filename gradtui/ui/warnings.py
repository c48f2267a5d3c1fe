"""What is wrong, in words: letter and word first, then where and on what evidence, then the key that would help.

The panel has what there is room for, and the page behind `!` has every word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradtui.diagnose import words
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import SEVERITIES, Warning
from gradtui.ui import fixes
from gradtui.ui.life import Life
from gradtui.ui.lines import Row
from gradtui.ui.rows import FLAGS
from gradtui.ui.scale import counted_steps, wrapped


def flags(warnings: Mapping[str, Warning]) -> dict[str, str]:
    """The worst severity of the open warnings by layers' full names."""
    found: dict[str, str] = {}
    for warning in warnings.values():
        for layer in warning.layers:
            if SEVERITIES.index(warning.severity) >= SEVERITIES.index(found.get(layer, SEVERITIES[0])):
                found[layer] = warning.severity
    return found


CRASHED = "crashed"
"""The code of the entry that says how the trainer ended; no warning has it."""


@dataclass(frozen=True)
class Item:
    """One entry: its code, a letter and its style, the name, what was seen (in full, and in a few words), and what would help."""

    code: str
    letter: str
    style: str
    title: str
    evidence: str
    brief: str
    advice: str
    to_do: bool
    """There is a key to press, which matters more than the evidence; else the advice is for another time."""


def items(run: RunState, life: Life, *, changeable: bool = True) -> list[Item]:
    """How the trainer ended, then every open warning, the most severe first and of those the newest.

    `changeable`: toggles can still be changed, so that a key is worth naming.
    """
    found = []
    if life.word == "CRASHED":
        detail = words.inert(" ".join(life.detail.split()))
        found.append(Item(CRASHED, "X", "alarm", "CRASHED", f"{detail}.", detail, life.advice, to_do=False))
    for warning in fixes.worst_first(run.open):
        letter, style = FLAGS[warning.severity]
        told = fixes.advice(warning, run, changeable=changeable)
        brief = _dated(warning, f": {warning.evidence.brief}")
        found.append(Item(warning.code, letter, style, heading(warning), evidence(warning), brief, told, to_do=changeable and bool(told)))
    return found


def rows(run: RunState, life: Life, width: int, height: int, *, changeable: bool = True) -> list[Row]:
    """The panel's rows."""
    if life.word == "JUDGING":
        return [((f" judging what came before: {life.detail}", "muted"),)]
    found = items(run, life, changeable=changeable)
    return _laid_out(found, width, height) if found else all_clear(run, width)


def all_clear(run: RunState, width: int) -> list[Row]:
    """What to say when nothing is wrong."""
    if run.frame is None:
        return [((" no measurement yet", "muted"),)]
    past = len({warning.code for warning in run.warnings})
    lines = wrapped(f"all clear: no warning is open{f', {past} closed' if past else ''}", max(1, width - 5), 2)
    return [((" ok ", "good"), (f" {line}", "muted")) if n == 0 else ((f"     {line}", "muted"),) for n, line in enumerate(lines)]


def heading(warning: Warning) -> str:
    """The pathology's name."""
    mitigated = f" (mitigated by {warning.mitigated})" if warning.mitigated else ""
    return words.label(warning.code) + mitigated


def evidence(warning: Warning) -> str:
    """When, where, and what was measured."""
    where = words.span_of(warning.layers)
    text = warning.evidence.sentence
    return _dated(warning, f", {where}: {text}." if where and where not in text else f": {text}.")


def _dated(warning: Warning, text: str) -> str:
    """`text` after the step that its numbers are of, the latest edge's: what the bars show has gone on since then."""
    when = f"step {warning.step}"
    return counted_steps(text.lstrip(",: ") if re.search(rf"\b{when}\b", text) else when + text)


def _laid_out(items: Sequence[Item], width: int, height: int) -> list[Row]:
    """Each item on as many lines as there is room for; how many found none, and the key that shows them, is on the last.

    Why a trainer crashed comes before all else: one line is left for what else is wrong.
    """
    laid: list[Row] = []
    inner = max(1, width - 3)
    for n, item in enumerate(items):
        room, others = height - len(laid), len(items) - n - 1
        if laid and others and room == 1:
            return [*laid, ((f"   +{others + 1} more: !", "muted"),)]
        lines = _lines(item, inner, max(1, room - (min(1, others) if item.code == CRASHED else others)))
        title = lines[0][: len(item.title)]
        laid.append(((f"{item.letter} ", item.style), (" ", ""), (title, item.style), (lines[0][len(title) :], "")))
        laid += [(("   ", ""), (line, "")) for line in lines[1:]]
    return laid[:height]


def _lines(item: Item, width: int, room: int) -> list[str]:
    """The item on at most `room` lines; where that is too few, in a few words, then in fewer: what there is to do goes last."""
    brief, advice = f"{item.brief}.", item.advice
    told = [(item.evidence, advice), (brief, advice)]
    if not item.to_do:
        told, advice = [*told, (brief, "")], ""
    shorter = ((f"{item.brief[:length]}…", advice) for length in range(len(item.brief) - 1, 4, -1))
    for said in (*told, *shorter):
        lines = wrapped(" ".join(filter(None, (item.title, *said))), width, room + 1)
        if len(lines) <= room:
            return lines
    return wrapped(f"{item.title} {advice or item.brief}", width, room)
