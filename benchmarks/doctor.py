"""The doctor against the final outcome: over every sick scenario, does its first choice cure where any fix does?

    python -m benchmarks.doctor [--only SCENARIO]… [--seeds 1] [--steps 100] [--jobs N] [--output benchmarks/doctor.md]

For each scenario the doctor sees the first seed (or several) as `gradtui doctor` does. Then every fix is trained to the
scenario's end, from both starting points, on the same first seed, and its score there is what the ranking is held
against: how often the first choice scores 0.8 where any fix does, what it falls short of the best (regret), the rank
correlation of the trials' order with the scores (Spearman), the seconds. Beside it: a fix drawn at random (its
expectation over all fixes) and AUTOTRAINER's fixed order (Zhang et al. 2021, `balance`: its first fix for the problem).
Finished scenarios are kept in doctor.jsonl and taken from there.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec import Struct

from benchmarks.cells import CURED, Cell, read
from gradtui import exits
from gradtui.lab import doctor
from gradtui.lab.doctor import Diagnosis, Plan, Row, Trial
from gradtui.lab.fixes import Fix
from gradtui.lab.patient import admit
from gradtui.lab.scenario import catalog
from gradtui.lab.workers import Workers, cores

HERE = Path(__file__).parent
KEPT = HERE / "doctor.jsonl"
TABLE = HERE / "doctor.md"

AUTOTRAINER: dict[str, tuple[Fix, ...]] = {
    "vanishing": ({"activation": "selu"}, {"activation": "relu"}, {"batch_norm": "on"}),
    "exploding": ({"activation": "selu"}, {"activation": "relu"}, {"clip": "value"}, {"activation": "tanh"}, {"batch_norm": "on"}),
    "non-finite": ({"activation": "selu"}, {"activation": "relu"}, {"clip": "value"}, {"activation": "tanh"}, {"batch_norm": "on"}),
    "dead-units": ({"activation": "selu"}, {"batch_norm": "on"}, {"init": "he"}, {"activation": "leaky_relu"}),
    "divergence": ({"optimizer": "adam", "lr": 0.001},),
    "update-too-large": ({"optimizer": "adam", "lr": 0.001},),
}
"""What it tries first, by the nearest of our warnings; any other is its "not converging"."""
NOT_CONVERGING: tuple[Fix, ...] = ({"optimizer": "adam", "lr": 0.001},)


class Result(Struct, frozen=True, kw_only=True):
    """One scenario and one question."""

    scenario: str
    question: str
    warnings: list[str]
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
    """Of AUTOTRAINER's first applicable fix; None: it has none."""
    spearman: float | None
    seconds: float
    """The doctor's own."""


def measure(workers: Workers, name: str, seeds: int, steps: int) -> list[Result]:
    """The doctor on one scenario, and what became of every fix; empty when it is healthy."""
    patient = admit(name)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as path:
        plan = Plan(seeds=seeds, steps=steps, start=None)
        diagnosis = doctor.examine(workers, patient, plan, Path(path))
        if diagnosis is None:
            return []
        trials = list(doctor.treat(workers, patient, plan, diagnosis, Path(path)))
        seconds = time.monotonic() - began
        rankings = doctor.rank(diagnosis, trials)
        one_seed = msgspec.structs.replace(diagnosis, seeds=diagnosis.seeds[:1])
        ends = {doctor.RESCUE: max(patient.scenario.steps - diagnosis.step, 1), doctor.PREVENT: patient.scenario.steps}
        found = []
        for ranking in rankings:
            asked = msgspec.structs.replace(one_seed, questions=[ranking.question])
            whole = Plan(seeds=1, steps=ends[ranking.question], start=None)
            outcomes = list(doctor.treat(workers, patient, whole, asked, Path(path)))
            found.append(result(name, asked, ranking.rows, outcomes, seconds))
        return found


def result(name: str, diagnosis: Diagnosis, rows: Sequence[Row], outcomes: Sequence[Trial], seconds: float) -> Result:
    """A ranking held against the scores at the end."""
    cell = next((cell for cell in read() if cell.scenario == name), None)
    scores = {_text(outcome.fix): score(cell, outcome) for outcome in outcomes}
    tried = [row.fix for row in rows if row.fix and row.verdict != "refused"]
    fixes = [_text(fix) for fix in tried]
    best = max(fixes, key=lambda fix: scores[fix])
    codes = [warning.code for warning in diagnosis.warnings]
    usual = next((fix for fix in _usual(codes) if _text(fix) in scores), None)
    return Result(
        scenario=name,
        question=diagnosis.questions[0],
        warnings=codes,
        fixes=len(fixes),
        first=fixes[0],
        score=scores[fixes[0]],
        best=scores[best],
        best_fix=best,
        nothing=scores[_text({})],
        random=fmean(scores[fix] for fix in fixes),
        random_cures=fmean(scores[fix] >= CURED for fix in fixes),
        fixed=scores[_text(usual)] if usual else None,
        spearman=spearman([-float(place) for place in range(len(fixes))], [scores[fix] for fix in fixes]),
        seconds=seconds,
    )


def _usual(codes: Sequence[str]) -> tuple[Fix, ...]:
    return next((AUTOTRAINER[code] for code in codes if code in AUTOTRAINER), NOT_CONVERGING)


def score(cell: Cell | None, outcome: Trial) -> float:
    """From chance, 0, to perfect, 1; 0 for a training that stopped being a number."""
    if outcome.error or not math.isfinite(outcome.loss):
        return 0.0
    if cell is not None:
        return min(1.0, cell.score_of(outcome.metrics))
    return max(0.0, (outcome.metrics["accuracy"] - 0.1) / 0.9)  # no expectations: ten classes, as all of ours but those in the file


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


def table(results: Sequence[Result]) -> str:
    """Both questions, a scenario a line, and what they come to."""
    lines = ["# What the doctor's ranking is worth", ""]
    for question in (doctor.RESCUE, doctor.PREVENT):
        asked = [found for found in results if found.question == question]
        if asked:
            lines += [f"## {question}", "", *_rows(asked), "", *_summary(asked), ""]
    return "\n".join(lines)


def _rows(results: Sequence[Result]) -> list[str]:
    head = "scenario | fixes | first choice | score | best | best fix | nothing | random | fixed order | Spearman | s"
    lines = [f"| {head} |", "|" + "---|" * 11]
    for found in results:
        usual = "–" if found.fixed is None else f"{found.fixed:.2f}"
        correlation = "–" if found.spearman is None else f"{found.spearman:.2f}"
        cells = [found.scenario, str(found.fixes), found.first, f"{found.score:.2f}", f"{found.best:.2f}", found.best_fix]
        cells += [f"{found.nothing:.2f}", f"{found.random:.2f}", usual, correlation, f"{found.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _summary(results: Sequence[Result]) -> list[str]:
    curable = [found for found in results if found.best >= CURED]
    correlations = [found.spearman for found in results if found.spearman is not None]
    lines = [f"- first choice reaches {CURED}: {sum(found.score >= CURED for found in curable)} of {len(curable)} that any fix does"]
    if curable:
        usual = sum((found.fixed or 0.0) >= CURED for found in curable)
        lines.append(f"- a random fix: {fmean(found.random_cures for found in curable):.0%} of them; AUTOTRAINER's first: {usual}")
    lines.append(
        f"- mean regret: {fmean(found.best - found.score for found in results):.3f}; of a random fix"
        f" {fmean(found.best - found.random for found in results):.3f}"
    )
    if correlations:
        lines.append(f"- mean Spearman: {fmean(correlations):.2f} over {len(correlations)}")
    lines.append(f"- seconds: {fmean(found.seconds for found in results):.0f} on the mean")
    return lines


def kept(path: Path) -> list[Result]:
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Result) for line in path.read_bytes().splitlines() if line.endswith(b"}")]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="this scenario (may be repeated); default: all that are sick")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--kept", type=Path, default=KEPT)
    parser.add_argument("--output", type=Path, default=TABLE)
    arguments = parser.parse_args()
    names = arguments.only or [scenario.name for scenario in catalog() if scenario.group != "Healthy"]
    results = [found for found in kept(arguments.kept) if found.scenario in names]
    with exits.interruptible(), Workers(arguments.jobs) as workers:
        for name in names:
            if any(found.scenario == name for found in results):
                continue
            new = measure(workers, name, arguments.seeds, arguments.steps)
            print(
                f"{name}: {', '.join(f'{found.question} {found.score:.2f} of {found.best:.2f}' for found in new) or 'healthy'}",
                file=sys.stderr,
            )
            results += new
            with arguments.kept.open("ab") as file:
                file.writelines(msgspec.json.encode(found) + b"\n" for found in new)
    arguments.output.write_text(table(results), encoding="utf-8")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
