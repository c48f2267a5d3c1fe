"""How large the weights are, how far one update moves them, and whether the units they belong to differ.

A row's weights are its matrices (parameters of two dimensions or more), or all its parameters when it has none: biases and the
scales of normalisations start at 0 or 1 and would drown what happens to the matrices. Frozen ones have a norm and no update.

How far they move is seen against a copy. On a device that is nearly full there may be no room for one of a large network, so beyond
`MOST_COPIED` bytes only some rows of each matrix are compared, evenly spaced: their change over their own norm is what the whole
matrix's would be, as far as its rows are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradtui.probe import reduce, symmetry
from gradtui.probe.reduce import Batch
from gradtui.probe.rows import Row
from gradtui.probe.table import Reader, Sheet, by_row, over, root_sum_square
from gradtui.stream.events import Numbers

MOST_COPIED = 64 * 2**20
"""Bytes of weights that a frame copies: a network of up to 16 million float32 weights is compared whole."""


class Weights:
    """The weights of `rows` around each frame's update: `keep` before it, `put` after it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        chosen = [(index, weight) for index, row in enumerate(rows) for weight in _weights(row.parameters)]
        self._rows = len(rows)
        self._row_of = [index for index, _ in chosen]
        self._weights = [weight for _, weight in chosen]
        self._kinds: list[object] | None = None
        self._kept: list[list[Tensor]] | None = None

    @torch.no_grad()
    def keep(self) -> None:
        """Take the norms, and copy what an update may move."""
        weights = reduce.local(self._weights)
        self._plan(weights)
        moving = self._sampled(weights)
        self._kept = [_copies(moving, batch) for batch in self._moving]
        self._norms_kept = [_norms(kept, batch) for kept, batch in zip(self._kept, self._moving, strict=True)]
        self._norms = reduce.norms(weights, self._apart)
        self._compared, self._units = symmetry.effective_units([None if part is None else weights[i] for i, part in enumerate(moving)])

    def forget(self) -> None:
        """Give the copies back."""
        self._kept = None

    @torch.no_grad()
    def put(self, sheet: Sheet) -> Reader:
        """weight_norm and effective_units as they were at `keep`, update_ratio since; empty without `keep`. Gives the copies back."""
        if self._kept is None:
            return lambda _: {"weight_norm": [], "update_ratio": [], "effective_units": []}
        now = self._sampled(reduce.local(self._weights))
        norms = sheet.put_all(self._norms)
        before = sheet.put_all(self._norms_kept)
        changes = sheet.put_all(_changes(now, *pair) for pair in zip(self._kept, self._moving, strict=True))
        effective = sheet.put_all(self._units)
        self._kept, self._units = None, []
        apart, moving, compared = reduce.members(self._apart), reduce.members(self._moving), self._compared

        def read(numbers: list[float]) -> dict[str, Numbers]:
            moved = dict(zip(moving, numbers[before], strict=True))
            # What moves only in part, or is compared in part, is compared with itself; its norm is that of all of it.
            norm = moved | dict(zip(apart, numbers[norms], strict=True))
            change = self._by_row(zip(moving, numbers[changes], strict=True))
            return {
                "weight_norm": self._by_row(norm.items()),
                "update_ratio": over(change, self._by_row(moved.items()), _ratio),
                "effective_units": by_row(_known(compared, numbers[effective]), self._row_of, self._rows, min),
            }

        return read

    def _by_row(self, values: Iterable[tuple[int, float]]) -> Numbers:
        return by_row(values, self._row_of, self._rows, root_sum_square)

    def _plan(self, weights: Sequence[Tensor | None]) -> None:
        """What goes together; the same as long as the weights keep their shapes and what is frozen."""
        kinds: list[object] = [
            None if weight is None else (whole.requires_grad, weight.shape, weight.dtype, weight.device, weight.layout)
            for weight, whole in zip(weights, self._weights, strict=True)
        ]
        if kinds == self._kinds:
            return
        self._kinds = kinds
        trained = [whole.requires_grad for whole in self._weights]  # a shard, taken where no gradients are recorded, does not say
        size = sum(
            weight.numel() * weight.element_size() for weight, moves in zip(weights, trained, strict=True) if weight is not None and moves
        )
        share = min(1.0, MOST_COPIED / size) if size else 1.0
        self._strides = [
            _stride(weight, share) if weight is not None and moves else None for weight, moves in zip(weights, trained, strict=True)
        ]
        self._moving = reduce.plan(self._sampled(weights))
        self._apart = reduce.plan([None if stride == 1 else weight for weight, stride in zip(weights, self._strides, strict=True)])

    def _sampled(self, weights: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Of each weight that may move, the rows that are compared: views."""
        pairs = zip(weights, self._strides, strict=True)
        return [None if weight is None or stride is None else weight if stride == 1 else weight[::stride] for weight, stride in pairs]


def _stride(weight: Tensor, share: float) -> int:
    """Every how many rows one is compared, so that no more than `share` of them are, and one."""
    rows = weight.shape[0] if weight.ndim else 1
    return 1 if share == 1 or rows == 1 else math.ceil(rows / max(1, int(rows * share)))


def _copies(weights: Sequence[Tensor | None], batch: Batch) -> list[Tensor]:
    """The batch's weights: packed into matrices, or each by itself."""
    chosen = reduce.members_of(weights, batch)
    if batch.packing is not None:
        return batch.packing.map(chosen, Tensor.clone)
    return [weight.clone() for weight in chosen]


def _norms(copies: Sequence[Tensor], batch: Batch) -> Tensor:
    if batch.packing is not None:
        return batch.packing.root_sum([reduce.row_norms(copy) for copy in copies])
    return reduce.norms(copies, [Batch(tuple(range(len(copies))), None)])[0]


def _changes(weights: Sequence[Tensor | None], copies: Sequence[Tensor], batch: Batch) -> Tensor:
    """How far each weight is from its copy, which is overwritten."""
    chosen = reduce.members_of(weights, batch)
    if batch.packing is not None:
        pairs = zip(batch.packing.blocks(chosen), copies, strict=True)
        return batch.packing.root_sum([reduce.row_norms(matrix.sub_(copy)) for matrix, copy in pairs])
    torch._foreach_sub_(list(copies), chosen)
    return _norms(copies, batch)


def _weights(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    known = [parameter for parameter in parameters if not is_lazy(parameter) and _has_norm(parameter)]
    return [parameter for parameter in known if parameter.ndim >= 2] or known


def _has_norm(parameter: nn.Parameter) -> bool:
    """A frozen base may be kept in whole numbers (quantised), or nowhere at all."""
    return (parameter.is_floating_point() or parameter.is_complex()) and parameter.device.type != "meta"


def _known(places: Sequence[int], numbers: Sequence[float]) -> list[tuple[int, float]]:
    return [(place, number) for place, number in zip(places, numbers, strict=True) if not math.isnan(number)]


def _ratio(change: float, norm: float) -> float:
    """Weights that were all zero: inf when they moved (no ratio could say how far), 0 when they did not."""
    if norm == 0:
        return change if change == 0 or math.isnan(change) else math.inf
    return change / norm
