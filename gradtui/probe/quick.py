"""Norms of a step that is not a frame's, on a CPU at float32's price.

float64 costs a CPU several times as much as float32, whose squares are 0 below 1e-23 and infinite above 1e19. So float32 is tried
first and looked at (on a CPU there is nothing to wait for): what it could not hold is taken again in float64, and small tensors are
from then on brought near 1 by powers of two. On other devices float64 is free, reading takes longer.

A loop that clips has just taken its gradients' norms itself, in float32: those cost nothing but a look at whether float32 held them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.packing import Packing
from gradtui.probe.reduce import Batch

_LOWEST, _HIGHEST = 1e-12, 1e18
"""Norms between these are right to float32's precision: entries whose squares underflow would not count beside them."""
_PIECE = 2**20
"""Entries that are added up in float32 at a time."""
_KNOWABLE = 2**16
"""Entries up to which `torch._foreach_norm` is right to 4e-6: it adds them up one after the other."""
_UNKNOWN_FOR = 64
"""Steps for which nobody asks again after a norm that was known was none that float32 could hold."""
_MOST, _NEAR = 120, 30
"""Powers of two: the most that tensors are scaled by, and what makes scaling not worth its while. Times 2^100 the smallest number
there is has a square that float32 holds, so what is 0 then is 0."""


@dataclass(frozen=True)
class Known:
    """2-norms of tensors as they stand, which somebody else has taken, in the tensors' own dtype."""

    tensors: list[Tensor]
    norms: list[Tensor]


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
        small = all(tensor.numel() <= _KNOWABLE for tensor in reduce.members_of(tensors, batch))
        self._knowable = self._quick and first.dtype == torch.float32 and small
        self._places: list[int] = []
        """Of its tensors among those whose norms were known last."""
        self._unknown_for = 0

    def measure(self, tensors: Sequence[Tensor | None], known: Known | None = None) -> Tensor:
        """The norms, in float32 or float64; `known` are taken where they will do. Raises TypeError or RuntimeError for tensors that
        are not like the first ones."""
        packing = self._batch.packing
        chosen = [tensors[index] for index in self._batch.members]
        if known is not None and self._knowable and (found := self._find(chosen, known)) is not None:
            return found
        if not self._quick:
            if any(tensor is None for tensor in chosen):
                raise TypeError("a gradient has vanished")
            return reduce.norms(tensors, [self._batch])[0]
        found = _dots(chosen) if packing is None else self._packed(packing, chosen)
        values = found.tolist()
        if _all_held(values) or all(map(self._right, values, self._exponents)):
            return found if self._scales is None else found.double().mul_(self._back)
        exact = reduce.norms(tensors, [self._batch])[0]
        if packing is not None:
            self._choose_scale(packing, exact)
        return exact

    def _find(self, chosen: Sequence[Tensor | None], known: Known) -> Tensor | None:
        """The norms among those that are known; None where one is missing, or is one that float32 cannot hold."""
        if self._unknown_for:
            self._unknown_for -= 1
            return None
        try:
            if not all(map(is_, chosen, [known.tensors[place] for place in self._places])) or not self._places:
                place_of = {id(tensor): place for place, tensor in enumerate(known.tensors)}
                self._places = [place_of[id(tensor)] for tensor in chosen]
        except (IndexError, KeyError):
            self._places = []
            return None
        # A tensor of their memory takes a third of the time that stacking them would.
        values = array("f", map(Tensor.item, [known.norms[place] for place in self._places]))
        if _all_held(values):
            return torch.frombuffer(values, dtype=torch.float32)
        self._unknown_for = _UNKNOWN_FOR
        return None

    def _packed(self, packing: Packing, chosen: Sequence[Tensor | None]) -> Tensor:
        matrices = packing.blocks(chosen)  # type: ignore[arg-type]
        if self._scales is None:
            return packing.root_sum([torch.linalg.vector_norm(matrix, dim=1) for matrix in matrices])
        pairs = zip(matrices, self._scales, strict=True)
        return packing.root_sum([torch.linalg.vector_norm(m if scale is None else m.mul_(scale), dim=1) for m, scale in pairs])

    def _right(self, value: float, exponent: int) -> bool:
        return _LOWEST < value < _HIGHEST or (value == 0 and exponent == _MOST)

    def _choose_scale(self, packing: Packing, exact: Tensor) -> None:
        exponents = [_exponent(norm) for norm in exact.tolist()]
        if exponents == self._exponents:  # of what is not finite, on every step
            return
        self._exponents = exponents
        scales = packing.by_block(torch.tensor([2.0**exponent for exponent in self._exponents], device="cpu"))
        self._scales = [None if bool((scale == 1).all()) else scale for scale in scales] if any(self._exponents) else None
        self._back = torch.tensor([2.0**-exponent for exponent in self._exponents], dtype=torch.float64, device="cpu")


def _all_held(norms: Sequence[float]) -> bool:
    """Whether float32 can hold their squares, and those of the entries that count beside them."""
    return min(norms) > _LOWEST and max(norms) < _HIGHEST


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
