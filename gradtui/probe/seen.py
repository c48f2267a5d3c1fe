"""What the hooks of one frame's step have reduced for one row.

A row may be called several times, and a step may hold several forward and backward passes: everything is put together over all of
them, so that gradient accumulation gives the numbers of the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.table import Sheet, root_sum_square

DEAD_UP_TO = 0.011
"""The slope of a unit that a leaky ReLU of 0.01 would still call dead, and a little more for rounding."""
SATURATED_BELOW = 0.1
"""Of the largest slope."""


class Seen:
    """Tensors of one number each (one a unit for the slopes), on the device; entry counts on the host."""

    def __init__(self) -> None:
        self._delta_norms: list[Tensor] = []
        self._delta_entries = 0
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []
        self._entries: list[int] = []
        self._saturated: list[Tensor] = []
        self._steepest: Tensor | None = None

    def add_delta(self, gradient: Tensor) -> None:
        self._delta_norms.append(reduce.norm(gradient))
        self._delta_entries += gradient.numel()

    def add_activation(self, output: Tensor) -> None:
        variance, mean = torch.var_mean(output, correction=0)
        self._variances.append(variance)
        self._means.append(mean)
        self._entries.append(output.numel())

    def add_saturation(self, relative_slope: Tensor) -> None:
        self._saturated.append(torch.count_nonzero(relative_slope < SATURATED_BELOW))

    def add_slope(self, slope: Tensor, units: int) -> None:
        """`units`: the dimension that counts units; a unit's slope is the largest over batch and positions."""
        steepest = slope.abs()
        if slope.ndim > 1:
            steepest = steepest.movedim(units, -1).flatten(0, -2).amax(0)
        self._steepest = steepest if self._steepest is None else torch.maximum(self._steepest, steepest)

    def put(self, sheet: Sheet) -> Callable[[list[float]], dict[str, float]]:
        """Like a `Reader`, for one row: only what was seen is in the result."""
        delta, mean, variance, saturated = map(sheet.put_all, (self._delta_norms, self._means, self._variances, self._saturated))
        dead = None if self._steepest is None else sheet.put((self._steepest <= DEAD_UP_TO).float().mean())

        def read(numbers: list[float]) -> dict[str, float]:
            found: dict[str, float] = {}
            if self._delta_entries:
                found["delta_rms"] = root_sum_square(numbers[delta]) / math.sqrt(self._delta_entries)
            if self._entries:
                found["activation_mean"], found["activation_std"] = self._moments(numbers[mean], numbers[variance])
            if self._saturated:
                found["saturated"] = sum(numbers[saturated]) / sum(self._entries)
            if dead is not None:
                found["dead"] = numbers[dead][0]
            return found

        return read

    def _moments(self, means: list[float], variances: list[float]) -> tuple[float, float]:
        """Mean and standard deviation over all calls, from those of each."""
        total = sum(self._entries)
        mean = sum(count * one for count, one in zip(self._entries, means, strict=True)) / total
        calls = zip(self._entries, means, variances, strict=True)
        return mean, math.sqrt(sum(count * (one_variance + (one - mean) * (one - mean)) for count, one, one_variance in calls) / total)
