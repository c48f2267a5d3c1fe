"""How large the weights are, how far one update moves them, and whether the units they belong to differ.

A row's weights are its matrices (parameters of two dimensions or more), or all its parameters when it has none: biases and the
scales of normalisations start at 0 or 1 and would drown what happens to the matrices. Frozen ones have a norm and no update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradtui.probe import reduce, symmetry
from gradtui.probe.rows import Row
from gradtui.probe.table import Reader, Sheet, by_row, over, root_sum_square
from gradtui.stream.events import Numbers


class Weights:
    """The weights of `rows` around one update: `keep` before it, `put` after it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        chosen = [(index, weight) for index, row in enumerate(rows) for weight in _weights(row.parameters)]
        self._rows = len(rows)
        self._row_of = [index for index, _ in chosen]
        self._weights = [weight for _, weight in chosen]
        self._norms: list[Tensor] = []
        self._copies: list[Tensor] = []

    @torch.no_grad()
    def keep(self) -> None:
        """Take the norms, and copy what an update may move."""
        weights = reduce.local(self._weights)
        self._all = reduce.plan(weights)
        self._moving = reduce.plan([weight if weight is not None and weight.requires_grad else None for weight in weights])
        self._norms = reduce.norms(weights, self._all)
        self._copies = reduce.matrices(weights, self._moving, copy=True)

    @torch.no_grad()
    def put(self, sheet: Sheet) -> Reader:
        """weight_norm and effective_units as they were at `keep`, update_ratio since; empty without `keep`. Gives the copies back."""
        if not self._norms:
            return lambda _: {"weight_norm": [], "update_ratio": [], "effective_units": []}
        norms = sheet.put_all(self._norms)
        now = reduce.matrices(reduce.local(self._weights), self._moving)
        changes = sheet.put_all(reduce.row_norms(after - before) for after, before in zip(now, self._copies, strict=True))
        compared, units = symmetry.effective_units(self._weights, self._moving, self._copies)
        effective = sheet.put_all(units)
        self._norms, self._copies = [], []
        every, moving = reduce.members(self._all), reduce.members(self._moving)

        def read(numbers: list[float]) -> dict[str, Numbers]:
            norm = dict(zip(every, numbers[norms], strict=True))
            change = by_row(zip(moving, numbers[changes], strict=True), self._row_of, self._rows, root_sum_square)
            # A row may be frozen in part: what moves is compared with itself, not with what stands still beside it.
            moved = by_row(((index, norm[index]) for index in moving), self._row_of, self._rows, root_sum_square)
            return {
                "weight_norm": by_row(norm.items(), self._row_of, self._rows, root_sum_square),
                "update_ratio": over(change, moved, _ratio),
                "effective_units": by_row(_known(compared, numbers[effective]), self._row_of, self._rows, min),
            }

        return read


def _weights(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    known = [parameter for parameter in parameters if not is_lazy(parameter)]
    return [parameter for parameter in known if parameter.ndim >= 2] or known


def _known(places: Sequence[int], numbers: Sequence[float]) -> list[tuple[int, float]]:
    return [(place, number) for place, number in zip(places, numbers, strict=True) if not math.isnan(number)]


def _ratio(change: float, norm: float) -> float:
    """Weights that were all zero: inf when they moved (no ratio could say how far), 0 when they did not."""
    if norm == 0:
        return change if change == 0 or math.isnan(change) else math.inf
    return change / norm
