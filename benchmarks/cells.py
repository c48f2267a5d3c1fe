"""What every fix is expected to do to every scenario, and how a measurement compares with it. Imports no torch."""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).with_name("effects_cells.toml")

SEED_NOISE = 0.15
"""How far two means of three seeds may lie apart, where the expected seeds agree among themselves."""
CURED = 0.8
"""The score from which on a training has learned."""


@dataclass(frozen=True)
class Cell:
    """One fix in one scenario."""

    scenario: str
    fix: str
    settings: tuple[str, ...]
    """`KEY=VALUE`, in force from step 0."""
    score: tuple[float, ...]
    """Expected, a seed each; 0 for a training that stopped being a number."""
    span: tuple[float, ...]
    """Expected decades of delta, first against last hidden layer, at the steps 0, 50 and 300; nan: undefined."""
    helps: bool
    note: str
    metric: str
    chance: float
    perfect: float

    def score_of(self, metrics: dict[str, float]) -> float:
        """The score that a training's last metrics come to, not below 0."""
        return max(0.0, (metrics[self.metric] - self.chance) / (self.perfect - self.chance))

    @property
    def tolerance(self) -> float:
        """How far the mean score may be from the expected one: the expected seeds' own spread, and SEED_NOISE at the least."""
        return max(SEED_NOISE, max(self.score) - min(self.score))

    def complaint(self, scores: Sequence[float]) -> str:
        """What is wrong with these scores; empty: they are as expected."""
        mean, expected = statistics.fmean(scores), statistics.fmean(self.score)
        if not self.helps and mean >= CURED:
            return f"it helps ({mean:.2f}), and must not"
        if abs(mean - expected) > self.tolerance:
            return f"{mean:.2f} is {mean - expected:+.2f} from {expected:.2f} (tolerance {self.tolerance:.2f})"
        return ""


def read(path: Path = EXPECTED) -> list[Cell]:
    """Every cell, in the file's order."""
    table: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_cell(name, scenario, fix, cell) for name, scenario in table.items() for fix, cell in scenario["fixes"].items()]


def _cell(name: str, scenario: dict[str, Any], fix: str, cell: dict[str, Any]) -> Cell:
    return Cell(
        scenario=name,
        fix=fix,
        settings=tuple(cell["set"].split()),
        score=tuple(cell["score"]),
        span=tuple(cell["span"]),
        helps=cell.get("helps", True),
        note=cell.get("note", ""),
        metric=scenario.get("metric", "accuracy"),
        chance=scenario.get("chance", 0.0),
        perfect=scenario.get("perfect", 1.0),
    )


def decades(value: float | None) -> str:
    """`-4.4`, or a dash for what is undefined."""
    return f"{value:+.1f}" if value is not None and math.isfinite(value) else "–"
