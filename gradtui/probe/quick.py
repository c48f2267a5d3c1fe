"""Norms of a step that is not a frame's, on a CPU at float32's price.

float64 costs a CPU several times as much as float32, whose squares are 0 below 1e-23 and infinite above 1e19. So float32 is tried
first and looked at (on a CPU there is nothing to wait for): what it could not hold is taken again in float64, and small tensors are
from then on brought near 1 by powers of two. On other devices float64 is free, reading takes longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.packing import Packing
from gradtui.probe.reduce import Batch

LOWEST, HIGHEST = 1e-12, 1e18
"""Norms between these are right to float32's precision: entries whose squares underflow would not count beside them."""
_PIECE = 2**20
"""Entries that are added up in float32 at a time."""
_MOST, _NEAR = 120, 30
"""Powers of two: the most that tensors are scaled by, and what makes scaling not worth its while. Times 2^100 the smallest number
there is has a square that float32 holds, so what is 0 then is 0."""


def quick_norms(tensors: Sequence[Tensor | None], batches: Sequence[Batch]) -> list[QuickNorms]:
    """One for each batch of tensors like `tensors`."""
    return [QuickNorms(tensors, batch) for batch in batches]


class QuickNorms:
    """The norms of one batch of tensors like `tensors`, step after step."""

    def __init__(self, tensors: Sequence[Tensor | None], batch: Batch) -> None:
        first = reduce.members_of(tensors, batch)[0]
        narrow = first.dtype == torch.float32 or (batch.packing is not None and first.dtype != torch.float64)
        self._quick = narrow and first.device.type == "cpu" and first.layout == torch.strided
        self._batch = batch
        self._exponents: list[int] = [0] * len(batch.members)
        self._scales: list[Tensor | None] | None = None
        """By row of each of the packing's blocks, None for one that is not scaled; None: nothing is."""
        self._back = torch.ones((), device="cpu")
        """By tensor, in float64: what takes the scale out again."""

    def measure(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """The norms, in float32 or float64. Raises TypeError or RuntimeError for tensors that are not like the first ones."""
        packing = self._batch.packing
        chosen = [tensors[index] for index in self._batch.members]
        if not self._quick:
            if any(tensor is None for tensor in chosen):
                raise TypeError("a gradient has vanished")
            return reduce.norms(tensors, [self._batch])[0]
        found = _dots(chosen) if packing is None else self._packed(packing, chosen)
        values = found.tolist()
        if held(values) or all(map(self._right, values, self._exponents)):
            return found if self._scales is None else found.double().mul_(self._back)
        exact = reduce.norms(tensors, [self._batch])[0]
        if packing is not None:
            self._choose_scale(packing, exact)
        return exact

    def _packed(self, packing: Packing, chosen: Sequence[Tensor | None]) -> Tensor:
        matrices = packing.blocks(chosen)  # type: ignore[arg-type]
        if self._scales is None:
            return packing.root_sum([torch.linalg.vector_norm(matrix, dim=1) for matrix in matrices])
        pairs = zip(matrices, self._scales, strict=True)
        return packing.root_sum([torch.linalg.vector_norm(m if scale is None else m.mul_(scale), dim=1) for m, scale in pairs])

    def _right(self, value: float, exponent: int) -> bool:
        return LOWEST < value < HIGHEST or (value == 0 and exponent == _MOST)

    def _choose_scale(self, packing: Packing, exact: Tensor) -> None:
        exponents = [_exponent(norm) for norm in exact.tolist()]
        if exponents == self._exponents:  # of what is not finite, on every step
            return
        self._exponents = exponents
        scales = packing.by_block(torch.tensor([2.0**exponent for exponent in self._exponents], device="cpu"))
        self._scales = [None if bool((scale == 1).all()) else scale for scale in scales] if any(self._exponents) else None
        self._back = torch.tensor([2.0**-exponent for exponent in self._exponents], dtype=torch.float64, device="cpu")


def held(norms: Sequence[float]) -> bool:
    """Whether float32 can hold their squares, and those of the entries that count beside them."""
    return min(norms) > LOWEST and max(norms) < HIGHEST


def _exponent(norm: float) -> int:
    """Of the power of two that brings a tensor near 1; 0 if it is near enough. What is not finite must not stay in the scale."""
    if not math.isfinite(norm):
        return 0
    exponent = _MOST if norm == 0 else max(-_MOST, min(_MOST, -round(math.log2(norm))))
    return exponent if abs(exponent) > _NEAR else 0


def _dots(tensors: Sequence[Tensor | None]) -> Tensor:
    """By BLAS, several times as fast as torch's own reduction."""
    squares = []
    for tensor in tensors:
        flat = tensor.reshape(-1)  # type: ignore[union-attr]
        squares.append(torch.dot(flat, flat) if len(flat) <= _PIECE else sum(torch.dot(piece, piece) for piece in flat.split(_PIECE)))
    return torch.stack(squares).sqrt_()  # type: ignore[arg-type]
