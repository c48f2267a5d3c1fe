"""The doctor's ranking of fixes, by what their trials came to.

What counts is the accuracy on the test set, where it is measured: it ranks fixes more nearly as their final outcome does than the
loss at the trial's end. Losses that are all near chance differ as well, and by nothing that lasts (benchmarks/doctor.md).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from gradtui.lab.doctor import RESCUE, Diagnosis, Trial
from gradtui.lab.fixes import Fix

DIGITS = 3
"""Significant digits by which losses are ranked: what differs after them is noise, and the warnings decide."""
ALIKE = 0.005
"""Two losses this near each other, as a share, are the same, and so are two accuracies."""
SAME = "same"
"""The verdict on what did as well as nothing."""


class Row(Struct, frozen=True, kw_only=True):
    """What one fix did on all seeds."""

    rank: int
    """From 1. All that did the same as nothing share one: the order among them is chance."""
    fix: Fix
    verdict: str
    """Against doing nothing: `better`, `same` or `worse` on every seed, or `mixed`; `refused` where it could not be tried."""
    accuracy: float | None
    """On the test set, mean over the seeds; None where it is not measured."""
    loss: float
    """Mean over the seeds; nan: not finite on some of them."""
    low: float
    high: float
    span: float | None
    """Mean over the seeds."""
    open: list[str]
    """Codes open on any seed."""
    random: bool = False
    """The fix that chance would have picked."""
    error: str = ""


class Ranking(Struct, frozen=True, kw_only=True, tag_field="type", tag="ranking"):
    """The fixes, best first."""

    question: str
    step: int
    """The step from which the fix was in force."""
    rows: list[Row]


def rank(diagnosis: Diagnosis, trials: Sequence[Trial]) -> list[Ranking]:
    """A ranking for each question: by accuracy where it is measured, then by loss, by warnings still open, by how level the profile is."""
    return [
        Ranking(question=question, step=diagnosis.step if question == RESCUE else 0, rows=_rows(diagnosis, question, trials))
        for question in diagnosis.questions
    ]


def _rows(diagnosis: Diagnosis, question: str, trials: Sequence[Trial]) -> list[Row]:
    by_fix = [[trial for trial in trials if trial.question == question and trial.fix == fix] for fix in ({}, *diagnosis.fixes)]
    nothing = by_fix[0]
    chance = random.Random(diagnosis.seed).choice(diagnosis.fixes) if diagnosis.fixes else None
    by_key = sorted((of_fix for of_fix in by_fix if of_fix), key=_key)
    judged = [(of_fix, _verdict(of_fix, nothing)) for of_fix in by_key]
    first = next((place for place, (_, verdict) in enumerate(judged) if verdict == SAME), len(judged))
    sides = [_side(verdict, above=place < first) for place, (_, verdict) in enumerate(judged)]
    ordered = [found for _, found in sorted(zip(sides, judged, strict=True), key=lambda pair: pair[0])]
    shared = sides.count(0) + 1
    return [_row(shared if verdict == SAME else place, of_fix, verdict, chance) for place, (of_fix, verdict) in enumerate(ordered, start=1)]


def _side(verdict: str, above: bool) -> int:
    """Before those that did the same as nothing, among them, or after them; what differs from seed to seed stays on its side."""
    return {SAME: 1, "better": 0, "worse": 2, "refused": 3}.get(verdict, 0 if above else 2)


def _key(trials: list[Trial]) -> tuple[bool, int, float, float, float, float]:
    finite = [trial for trial in trials if math.isfinite(trial.loss)]
    return (
        any(trial.error for trial in trials),
        len(trials) - len(finite),
        -(_accuracy(finite) or 0.0),
        _rounded(fmean(trial.loss for trial in finite)) if finite else math.inf,
        fmean(len(trial.open) for trial in trials),
        fmean(_steepness(trial) for trial in trials),
    )


def _accuracy(trials: Sequence[Trial]) -> float | None:
    found = [trial.metrics["accuracy"] for trial in trials if "accuracy" in trial.metrics]
    return fmean(found) if found else None


def _steepness(trial: Trial) -> float:
    return abs(trial.span) if trial.span is not None and math.isfinite(trial.span) else 1e3


def _row(rank: int, trials: list[Trial], verdict: str, chance: Fix | None) -> Row:
    losses = [trial.loss for trial in trials]
    spans = [trial.span for trial in trials if trial.span is not None and math.isfinite(trial.span)]
    finite = all(map(math.isfinite, losses))
    fix = trials[0].fix
    return Row(
        rank=rank,
        fix=fix,
        verdict=verdict,
        accuracy=_accuracy(trials),
        loss=fmean(losses) if finite else math.nan,
        low=min(losses) if finite else min(filter(math.isfinite, losses), default=math.nan),
        high=max(losses) if finite else math.nan,
        span=fmean(spans) if spans else None,
        open=sorted({code for trial in trials for code in trial.open}),
        random=bool(fix) and fix == chance,
        error=next((trial.error for trial in trials if trial.error), ""),
    )


def _verdict(trials: list[Trial], nothing: list[Trial]) -> str:
    if any(trial.error for trial in trials):
        return "refused"
    signs = {_compared(mine, theirs) for mine, theirs in zip(trials, nothing, strict=False)}
    return {-1: "better", 0: SAME, 1: "worse"}[signs.pop()] if len(signs) == 1 else "mixed"


def _compared(mine: Trial, theirs: Trial) -> int:
    """-1: mine is better, by its accuracy or, where that is alike, by its loss; what is not finite is worse than all that is."""
    a, b = (trial.loss if math.isfinite(trial.loss) else math.inf for trial in (mine, theirs))
    if math.isfinite(a) and math.isfinite(b):
        gain = (_accuracy([mine]) or 0.0) - (_accuracy([theirs]) or 0.0)
        if abs(gain) > ALIKE:
            return -1 if gain > 0 else 1
    return 0 if math.isclose(a, b, rel_tol=ALIKE) else (a > b) - (a < b)


def _rounded(loss: float) -> float:
    return float(f"{loss:.{DIGITS}g}")
