"""Norms of a step that is not a frame's, on a CPU at float32's price.

float64 costs a CPU five times as much as float32, whose squares are 0 below 1e-23 and infinite above 1e19. So small tensors are
brought near 1 first, by powers of two taken from their last norms, and the result is looked at (on a CPU there is nothing to wait
for): one that float32 could not hold is taken again in float64. On other devices float64 is free, reading takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.reduce import Batch

_LOWEST, _HIGHEST = 1e-12, 1e18
"""Norms between these are right to float32's precision: entries whose squares underflow would not count beside them."""


class QuickNorms:
    """The norms of tensors like `tensors`, step after step, as `plan` has put them into `batches`."""

    def __init__(self, tensors: Sequence[Tensor | None], batches: Sequence[Batch]) -> None:
        self._batches = batches
        self._stacks = [_stack_for(tensors, batch) for batch in batches]
        self._scales: list[Tensor | None] = [None] * len(batches)

    def measure(self, tensors: Sequence[Tensor | None]) -> list[Tensor]:
        """One vector a batch, in float32 or float64."""
        return [self._measure(place, tensors) for place in range(len(self._batches))]

    def _measure(self, place: int, tensors: Sequence[Tensor | None]) -> Tensor:
        batch, stack, scale = self._batches[place], self._stacks[place], self._scales[place]
        if stack is None:
            return reduce.norms(tensors, [batch])[0]
        torch.stack(reduce.members_of(tensors, batch), out=stack)
        matrix = stack.view(len(stack), -1)
        if scale is not None:
            matrix.mul_(scale)
        quick: Tensor = torch.linalg.vector_norm(matrix, dim=1)
        values = quick.tolist()
        if min(values) > _LOWEST and max(values) < _HIGHEST:
            return quick if scale is None else quick.double().div_(scale[:, 0])
        exact = reduce.norms(tensors, [batch])[0]
        self._scales[place] = torch.exp2(-exact.log2().round().clamp(-120, 120)).float().unsqueeze(1)
        return exact


def _stack_for(tensors: Sequence[Tensor | None], batch: Batch) -> Tensor | None:
    """Where the batch's tensors go side by side; None where that gains nothing."""
    first = tensors[batch.members[0]]
    if first is None or not batch.stacked or first.dtype != torch.float32:
        return None
    return first.new_empty(len(batch.members), *first.shape)
