"""Norms of a step that is not a frame's, on a CPU at float32's price.

float64 costs a CPU five times as much as float32, whose squares are 0 below 1e-23 and infinite above 1e19. So float32 is tried
first and looked at (on a CPU there is nothing to wait for): what it could not hold is taken again in float64, and small tensors are
from then on brought near 1 by powers of two. On other devices float64 is free, reading takes longer.
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
        batch, scale = self._batches[place], self._scales[place]
        chosen = reduce.members_of(tensors, batch)
        if chosen[0].device.type != "cpu" or chosen[0].dtype != torch.float32:
            return reduce.norms(tensors, [batch])[0]
        stack = self._stacks[place]
        if stack is None:
            quick = torch.stack(torch._foreach_norm([reduce.dense(tensor) for tensor in chosen], 2))
        else:
            torch.stack(chosen, out=stack)
            matrix = stack.view(len(stack), -1)
            quick = torch.linalg.vector_norm(matrix if scale is None else matrix.mul_(scale), dim=1)
        values = quick.tolist()
        if min(values) > _LOWEST and max(values) < _HIGHEST:
            return quick if scale is None else quick.double().div_(scale[:, 0])
        exact = reduce.norms(tensors, [batch])[0]
        if stack is not None:
            exponents = exact.nan_to_num(1.0).log2().round().clamp(-120, 120)  # a NaN must not stay in the scale
            self._scales[place] = torch.exp2(-exponents).float().unsqueeze(1)
        return exact


def _stack_for(tensors: Sequence[Tensor | None], batch: Batch) -> Tensor | None:
    """Where the batch's tensors go side by side; None where each is reduced by itself."""
    first = tensors[batch.members[0]]
    return first.new_empty(len(batch.members), *first.shape) if first is not None and batch.stacked else None
