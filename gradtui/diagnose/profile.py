"""Profiles: one frame's deltas read along depth, or along time in a recurrent network.

log10 of a delta that is exactly zero is -inf and of one that is not finite is nan; both are states that a reader shows
as such, and neither is ever a number in a sum: what depends on them is -inf or None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradtui.stream.events import Layer

DEPTH = "depth"
TIME = "time"
TIME_STEP = "time step"
"""The kind of a row that is a time step of an unrolled recurrent network."""


@dataclass(frozen=True)
class Rows:
    """The rows of one profile: their indices among the layers, in network (or time) order."""

    axis: str
    group: str
    indices: tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """One frame's deltas along `axis`. `logs` are log10 delta; -inf: exactly zero, nan: not finite."""

    axis: str
    group: str
    indices: tuple[int, ...]
    logs: tuple[float, ...]

    @property
    def span(self) -> float | None:
        """Decades from the last row back to the first: log10 delta first - last. Negative: vanishing toward the input."""
        return _difference(self.logs[0], self.logs[-1]) if len(self.logs) > 1 else None

    @property
    def slope(self) -> float | None:
        """Decades per layer (or per time step), with the span's sign."""
        span = self.span
        return None if span is None else span / (len(self.logs) - 1)

    @property
    def tilt(self) -> float | None:
        """Mean log10 delta of the first quarter of the rows minus that of the last quarter, in decades.

        Steadier than the span, which hangs on two rows. -inf: the first quarter holds an exact zero, the last something that is
        none: a gradient may die out within a few rows of the end. None: undefined, since there are under two rows, not finite
        ones, or nothing but zeros at the end.
        """
        count = len(self.logs)
        if count < 2:
            return None
        quarter = max(1, count // 4)
        first, last = self.logs[:quarter], self.logs[-quarter:]
        if -math.inf in first:
            last = tuple(log for log in last if log > -math.inf or math.isnan(log))
        return _difference(sum(first) / quarter, sum(last) / len(last)) if last else None

    @property
    def lowest(self) -> int:
        """The index, among the layers, of the row with the smallest delta."""
        return min(zip(self.logs, self.indices, strict=True))[1]

    @property
    def highest(self) -> int:
        """The index, among the layers, of the row with the largest delta."""
        return max(zip(self.logs, self.indices, strict=True))[1]


def rows(layers: Sequence[Layer]) -> list[Rows]:
    """The profiles that a run's layers hold: for each group its hidden layers (all but the last, the read-out), or its time
    steps where it has them: there the layers share their weights over time and have no depth to read along."""
    by_group: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        by_group.setdefault(layer.group, []).append(index)
    found = []
    for group, indices in by_group.items():
        times = [index for index in indices if layers[index].kind == TIME_STEP]
        if times:
            found.append(Rows(TIME, group, tuple(times)))
        elif len(indices) > 1:
            found.append(Rows(DEPTH, group, tuple(indices[:-1])))
    return found


def read(where: Rows, delta: Sequence[float | None]) -> Profile:
    """The profile of `delta` (one number per layer) along `where`; rows that were not measured are left out, and those that
    a damaged recording's frame has no number for."""
    indices: list[int] = []
    logs: list[float] = []
    for index in where.indices:
        value = delta[index] if index < len(delta) else None
        if value is not None:
            indices.append(index)
            logs.append(log10(value))
    return Profile(where.axis, where.group, tuple(indices), tuple(logs))


def log10(value: float) -> float:
    """log10 of a magnitude; -inf for zero, nan for what is negative or not finite."""
    if 0.0 < value < math.inf:
        return math.log10(value)
    return -math.inf if value == 0.0 else math.nan


def _difference(first: float, last: float) -> float | None:
    difference = first - last
    return None if math.isnan(difference) or difference == math.inf else difference
