"""The effects as a Markdown document: a table for each scenario, what is measured beside what is expected."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks.cells import Cell, decades

if TYPE_CHECKING:
    from benchmarks.effects import Outcome

HEAD = """# What every fix does to every scenario

Made by `make effects`. Each fix is a toggle from step 0 on (`gradtui run SCENARIO --set …`), on the seeds {seeds}.

- **score**: (metric − chance) / (perfect − chance) at the last step, a seed each; 0 for a training that stopped being a
  number. In brackets what is expected of the mean: an earlier, independent implementation's figure.
- **span**: decades of delta, first hidden layer (or time step) against last, mean over the seeds; negative: vanishing
  toward the input. At step 0, at step 300, each with the expected figure in brackets, and at the end.
- **warnings**: those that opened, with the number of seeds on which they did.
- **✗**: the score is not as expected: further from it than the expected seeds among themselves (0.15 at the least), or a fix
  that must not help does. Fixes in *italics* are those that must not.

{summary}
"""
COLUMNS = "| fix | `--set` | score | span @0 | span @300 | span at the end | warnings | |"
RULE = "|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Report:
    """The document, and a line for each score that is not as expected and has no note to say why."""

    markdown: str
    complaints: list[str]


def report(found: Mapping[Cell, Mapping[int, Outcome | str]], seeds: Sequence[int], commit: str = "") -> Report:
    """`found` has, for each cell and seed, an outcome, or a text that says why there is none."""
    sections: list[str] = []
    complaints: list[str] = []
    unexpected = trainings = 0
    for name, cells in groupby(found, key=lambda cell: cell.scenario):
        rows: list[str] = []
        for cell in cells:
            outcomes = [o for o in found[cell].values() if not isinstance(o, str)]
            problem = _problem(cell, found[cell], outcomes)
            if problem and not cell.note:
                complaints.append(f"{name} {cell.fix}: {problem}")
            unexpected += bool(problem)
            trainings += len(outcomes)
            rows.append(_row(cell, outcomes, problem))
        sections.append("\n".join([f"## {name}", "", COLUMNS, RULE, *rows, ""]))
    summary = f"{trainings} trainings, {len(found)} cells, {len(found) - unexpected} as expected."
    summary += f" Begun at commit {commit}." if commit else ""
    head = HEAD.format(seeds=", ".join(map(str, seeds)), summary=summary)
    return Report("\n".join([head, *sections]), complaints)


def _problem(cell: Cell, by_seed: Mapping[int, Outcome | str], outcomes: Sequence[Outcome]) -> str:
    failed = [outcome for outcome in by_seed.values() if isinstance(outcome, str)]
    return failed[0] if failed else cell.complaint([outcome.score for outcome in outcomes])


def _row(cell: Cell, outcomes: Sequence[Outcome], problem: str) -> str:
    fix = cell.fix if cell.helps else f"*{cell.fix}*"
    mark = f"✗ {cell.note or problem}" if problem else cell.note
    settings = f"`{' '.join(cell.settings)}`" if cell.settings else ""
    if not outcomes:
        return f"| {fix} | {settings} | ({statistics.fmean(cell.score):.2f}) | | | | | {mark} |"
    scores = " ".join(f"{outcome.score:.2f}" for outcome in outcomes)
    spans = [_mean([outcome.span[moment] for outcome in outcomes if len(outcome.span) > moment]) for moment in range(4)]
    expected = [f"({decades(span)})" for span in cell.span]
    measured = [f"{decades(spans[0])} {expected[0]}", f"{decades(spans[2])} {expected[2]}", decades(spans[-1])]
    cells = [fix, settings, f"{scores} ({statistics.fmean(cell.score):.2f})", *measured, _warnings(outcomes), mark]
    return f"| {' | '.join(cells)} |"


def _mean(spans: Sequence[float | None]) -> float | None:
    """The mean of those that are defined; None: none is."""
    known = [span for span in spans if span is not None]
    return statistics.fmean(known) if known else None


def _warnings(outcomes: Sequence[Outcome]) -> str:
    codes = dict.fromkeys(code for outcome in outcomes for code in outcome.warnings)
    counts = {code: sum(code in outcome.warnings for outcome in outcomes) for code in codes}
    return ", ".join(code if count == len(outcomes) else f"{code} {count}/{len(outcomes)}" for code, count in counts.items())
