"""What one frame says of the weights' gradients beyond their norms, and of the regulariser's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from gradtui.probe import reduce
from gradtui.probe.reduce import Batch, Description
from gradtui.probe.rows import Row
from gradtui.probe.table import Reader, Sheet, by_row, over, root_sum_square, worst
from gradtui.stream.events import Numbers


class Gradients:
    """One frame's gradients of `rows`' parameters, reduced to a few numbers each as soon as they are given."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = len(rows)
        self._row_of = [index for index, row in enumerate(rows) for _ in row.parameters]
        self._parameters = [parameter for row in rows for parameter in row.parameters]
        self._measured: list[int] = []
        self._described: list[Description] = []
        self._penalised: list[int] | None = None
        self._penalty: list[Tensor] = []

    def describe(self, described: list[Description], batches: Sequence[Batch]) -> None:
        """Take what was found of each batch of the gradients."""
        self._measured = reduce.members(batches)
        self._described = described

    @torch.no_grad()
    def describe_penalty(self, penalty: Mapping[nn.Parameter, Tensor]) -> None:
        gradients = [penalty.get(parameter) for parameter in self._parameters]
        batches = reduce.plan(gradients, pack=False)
        self._penalised = reduce.members(batches)
        self._penalty = reduce.norms(gradients, batches)

    def put(self, sheet: Sheet, norms: Tensor | None) -> Reader:
        """`norms`: the rows' gradient norms on this step, -inf where a row has none; None: no row has a gradient."""
        norm = sheet.put_all([] if norms is None else [norms])
        sizes = sheet.put_all(found.largest for found in self._described)
        counted = sheet.put_all(found.counts for found in self._described)
        penalty = sheet.put_all(self._penalty)

        def read(numbers: list[float]) -> dict[str, Numbers]:
            largest = zip(self._measured, numbers[sizes], strict=True)
            nonzero, subnormal, nonfinite = (zip(self._measured, numbers[counted][kind::3], strict=True) for kind in range(3))
            entries = self._by_row(((index, self._parameters[index].numel()) for index in self._measured), sum)
            grad_norm: Numbers = [None if value == -math.inf else value for value in numbers[norm]] or [None] * self._rows
            return {
                "grad_norm": grad_norm,
                "grad_rms": over(grad_norm, entries, lambda value, count: value / math.sqrt(count)),
                "grad_max": self._by_row(largest, worst),
                "grad_zero": over(self._by_row(nonzero, sum), entries, lambda count, total: 1 - count / total),
                "grad_subnormal": over(self._by_row(subnormal, sum), entries, lambda count, total: count / total),
                "grad_nonfinite": self._by_row(nonfinite, sum),
                "penalty_norm": self._read_penalty(numbers[penalty]),
            }

        return read

    def _read_penalty(self, numbers: list[float]) -> Numbers:
        return [] if self._penalised is None else self._by_row(zip(self._penalised, numbers, strict=True), root_sum_square)

    def _by_row(self, values: Iterable[tuple[int, float]], combine: Callable[[Sequence[float]], float]) -> Numbers:
        return by_row(values, self._row_of, self._rows, combine)
