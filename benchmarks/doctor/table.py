"""What the doctor's ranking is worth: each case's first choice, and what the cases come to, beside chance and a fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from msgspec import Struct

from benchmarks.cells import CURED
from benchmarks.diagnosis.table import share
from benchmarks.doctor.cases import RANDOM, Case
from gradtui.lab import doctor
from gradtui.lab.fixes import Fix
from gradtui.lab.ranking import rank

AUTOTRAINER: dict[str, tuple[Fix, ...]] = {
    "vanishing": ({"activation": "selu"}, {"activation": "relu"}, {"batch_norm": "on"}),
    "exploding": ({"activation": "selu"}, {"activation": "relu"}, {"clip": "value"}, {"activation": "tanh"}, {"batch_norm": "on"}),
    "non-finite": ({"activation": "selu"}, {"activation": "relu"}, {"clip": "value"}, {"activation": "tanh"}, {"batch_norm": "on"}),
    "dead-units": ({"activation": "selu"}, {"batch_norm": "on"}, {"init": "he"}, {"activation": "leaky_relu"}),
    "divergence": ({"optimizer": "adam", "lr": 0.001},),
    "update-too-large": ({"optimizer": "adam", "lr": 0.001},),
}
"""Zhang et al. 2021, `balance`: its solutions in their order, by the nearest of our warnings; any other is its "not converging"."""
NOT_CONVERGING: tuple[Fix, ...] = ({"optimizer": "adam", "lr": 0.001},)


class Result(Struct, frozen=True, kw_only=True):
    """One case's ranking held against the scores in the end."""

    name: str
    question: str
    fixes: int
    first: str
    """The first choice."""
    score: float
    """Of the first choice."""
    best: float
    """Of the best of all fixes."""
    best_fix: str
    nothing: float
    random: float
    """The mean score of all fixes: what a random one is worth."""
    random_cures: float
    """The share of fixes that cure."""
    fixed: float | None
    """Of AUTOTRAINER's first fix that applies; None: it has none."""
    fixed_any: float | None
    """The best of all of AUTOTRAINER's."""
    spearman: float | None
    untied: float | None
    """The same without the ranking's ties: fixes that did the same as nothing stand in some order, too."""
    attainable: float | None
    """The most that can be without ties: fixes that all come to nothing have no order to be found."""
    seconds: float

    @property
    def curable(self) -> bool:
        return self.best >= CURED

    @property
    def cured(self) -> bool:
        return self.score >= CURED


def result(case: Case) -> Result | None:
    """With the trials ranked as the doctor ranks them today; None: nothing was there to rank."""
    if case.diagnosis is None:
        return None
    (ranking,) = rank(case.diagnosis, case.trials)
    scores = {_text(tried.fix): score for tried, score in zip(case.trials, case.scores, strict=True)}
    ranks = {_text(row.fix): row.rank for row in ranking.rows if row.fix and row.verdict != "refused"}
    fixes = list(ranks)
    best = max(fixes, key=lambda fix: scores[fix])
    usual = [scores[_text(fix)] for fix in _usual(case) if _text(fix) in fixes]
    return Result(
        name=case.name,
        question=case.question,
        fixes=len(fixes),
        first=fixes[0],
        score=scores[fixes[0]],
        best=scores[best],
        best_fix=best,
        nothing=scores[_text({})],
        random=fmean(scores[fix] for fix in fixes),
        random_cures=fmean(scores[fix] >= CURED for fix in fixes),
        fixed=usual[0] if usual else None,
        fixed_any=max(usual, default=None),
        spearman=spearman([-float(ranks[fix]) for fix in fixes], [scores[fix] for fix in fixes]),
        untied=_ordered([scores[fix] for fix in fixes]),
        attainable=_ordered(sorted((scores[fix] for fix in fixes), reverse=True)),
        seconds=case.seconds,
    )


def _usual(case: Case) -> tuple[Fix, ...]:
    codes = [warning.code for warning in case.diagnosis.warnings] if case.diagnosis else []
    return next((AUTOTRAINER[code] for code in codes if code in AUTOTRAINER), NOT_CONVERGING)


def _ordered(scores: Sequence[float]) -> float | None:
    """Of the places, best first, with the scores there."""
    return spearman([-float(place) for place in range(len(scores))], scores)


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where one of the two is all ties."""
    ranks = [_ranks(a), _ranks(b)]
    means = [fmean(values) for values in ranks]
    deviations = [[value - mean for value in values] for values, mean in zip(ranks, means, strict=True)]
    spread = math.prod(math.sqrt(math.fsum(d * d for d in values)) for values in deviations)
    return math.fsum(x * y for x, y in zip(*deviations, strict=True)) / spread if spread else None


def _ranks(values: Sequence[float]) -> list[float]:
    return [sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values]


def _text(fix: Fix) -> str:
    return " ".join(f"{key}={value}" for key, value in fix.items())


def markdown(cases: Sequence[Case]) -> str:
    """What all cases come to, and each scenario and random network a line."""
    results = [found for case in cases if (found := result(case)) is not None]
    drawn = {case.name for case in cases if case.name.startswith(RANDOM)}
    lines = ["# What the doctor's ranking is worth", "", *_totals(results), ""]
    lines.append(f"Random networks: {len(drawn)} drawn, of which {len({r.name for r in results if r.name in drawn})} failed with a warning")
    lines[-1] += f" open, and {len({case.name for case in cases if case.missed})} failed without one."
    for question in (doctor.PREVENT, doctor.RESCUE):
        asked = [found for found in results if found.question == question]
        if asked:
            lines += ["", f"## {question}", "", *_rows(asked)]
    return "\n".join(lines) + "\n"


def _totals(results: Sequence[Result]) -> list[str]:
    head = ["", "cases", "first choice cures, of those that any fix does", "random fix", "fixed order, its first", "best of it"]
    head += ["regret", "of a random fix", "Spearman: mean, median", "without ties: mean, attainable", "s, median"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    groups = (
        ("scenarios", [found for found in results if not found.name.startswith(RANDOM)]),
        ("random, even seeds", [found for found in results if found.name.startswith(RANDOM) and _seed(found) % 2 == 0]),
        ("random, odd seeds", [found for found in results if found.name.startswith(RANDOM) and _seed(found) % 2]),
        ("all", list(results)),
    )
    for question in (doctor.PREVENT, doctor.RESCUE):
        for name, group in groups:
            asked = [found for found in group if found.question == question]
            if asked:
                lines.append(f"| {question}, {name} | {' | '.join(_total(asked))} |")
    return lines


def _seed(found: Result) -> int:
    return int(found.name.removeprefix(RANDOM))


def _total(results: Sequence[Result]) -> list[str]:
    curable = [found for found in results if found.curable]
    correlations = [found.spearman for found in results if found.spearman is not None]
    cells = [str(len(results)), share(sum(found.cured for found in curable), len(curable))]
    shares = [[f.random_cures, (f.fixed or 0.0) >= CURED, (f.fixed_any or 0.0) >= CURED] for f in curable]
    cells += [f"{fmean(column):.0%}" for column in zip(*shares, strict=True)] or ["–"] * 3
    cells += [f"{fmean(f.best - f.score for f in results):.3f}", f"{fmean(f.best - f.random for f in results):.3f}"]
    untied = [(f.untied, f.attainable) for f in results if f.untied is not None and f.attainable is not None]
    cells.append(f"{fmean(correlations):.3f}, {median(correlations):.3f}" if correlations else "–")
    cells.append(", ".join(f"{fmean(column):.3f}" for column in zip(*untied, strict=True)) or "–")
    return [*cells, f"{median(found.seconds for found in results):.0f}"]


def _rows(results: Sequence[Result]) -> list[str]:
    head = "training | fixes | first choice | score | best | best fix | nothing | random | fixed order | Spearman | s"
    lines = [f"| {head} |", "|" + "---|" * 11]
    for found in results:
        usual = "–" if found.fixed is None else f"{found.fixed:.2f}"
        correlation = "–" if found.spearman is None else f"{found.spearman:.2f}"
        cells = [found.name, str(found.fixes), found.first, f"{found.score:.2f}", f"{found.best:.2f}", found.best_fix]
        cells += [f"{found.nothing:.2f}", f"{found.random:.2f}", usual, correlation, f"{found.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
