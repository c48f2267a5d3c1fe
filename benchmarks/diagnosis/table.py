"""What a bank shows: for each rule how many failed runs it found, how many learned ones it flagged, and how soon it spoke."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.diagnosis.published import PUBLISHED
from benchmarks.diagnosis.verdict import Verdict

LEARNED = 0.8
FAILED = 0.3
OUTCOMES = ("plateau",)
"""Ours that name no cause: shown apart."""

PARTS = (
    ("Clean test: seeds 2000 to 2799, none looked at before the rules were last changed", range(2000, 2800)),
    ("Seen: seeds 0 to 999, looked at before the last changes of the rules", range(1000)),
)
"""By what was known of them when the rules were last changed; README.md of the benchmarks tells the story."""

Speaks = Callable[[Verdict], int | None]


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A table for each part of the bank that has been trained."""
    parts = [(title, [verdict for verdict in verdicts if verdict.seed in seeds]) for title, seeds in PARTS]
    return "\n\n".join(f"## {title}\n\n{_part(part)}" for title, part in parts if part) + "\n"


def learned(verdict: Verdict) -> bool:
    return verdict.finite and verdict.score >= LEARNED


def failed(verdict: Verdict) -> bool:
    return not verdict.finite or not verdict.score >= FAILED


def _part(verdicts: Sequence[Verdict]) -> str:
    sick = [verdict for verdict in verdicts if failed(verdict)]
    well = [verdict for verdict in verdicts if learned(verdict)]
    families = ", ".join(f"{sum(v.family == family for v in verdicts)} {family}" for family in sorted({v.family for v in verdicts}))
    between = len(verdicts) - len(well) - len(sick)
    head = f"{len(verdicts)} runs ({families}): {len(well)} learned, {len(sick)} failed, {between} in between.\n\n"
    head += "| rule | found, of failed | false alarms, of learned | precision | steps to verdict, median |\n|---|---|---|---|---|\n"
    return head + "\n".join(_row(name, rule, sick, well) for name, rule in _rules(verdicts))


def _rules(verdicts: Sequence[Verdict]) -> Iterable[tuple[str, Speaks]]:
    codes = sorted({code for verdict in verdicts for code in verdict.ours})
    yield "**gradtui, any that names a cause**", lambda v: _earliest(v.ours, [c for c in codes if c not in OUTCOMES])
    yield "**gradtui, any**", lambda v: _earliest(v.ours, codes)
    yield "gradtui, any, information included", lambda v: _earliest(v.informed, list(v.informed))
    for code in codes:
        yield code, lambda v, code=code: v.ours.get(code)  # type: ignore[misc]
    for name in PUBLISHED:
        yield name, lambda v, name=name: v.published.get(name)  # type: ignore[misc]


def _earliest(steps: dict[str, int], codes: Sequence[str]) -> int | None:
    return min((steps[code] for code in codes if code in steps), default=None)


def _row(name: str, rule: Speaks, sick: Sequence[Verdict], well: Sequence[Verdict]) -> str:
    found = [step for verdict in sick if (step := rule(verdict)) is not None]
    alarms = sum(rule(verdict) is not None for verdict in well)
    spoken = len(found) + alarms
    precision = f"{len(found) / spoken:.2f}" if spoken else "–"
    soon = f"{median(found):.0f}" if found else "–"
    return f"| {name} | {share(len(found), len(sick))} | {share(alarms, len(well))} | {precision} | {soon} |"


def share(count: int, total: int) -> str:
    """A share with Wilson's 95 % interval."""
    if not total:
        return "–"
    low, high = wilson(count, total)
    return f"{count / total:.1%} ({low:.1%}–{high:.1%}), {count}/{total}"


def wilson(count: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a binomial share (1927)."""
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)
