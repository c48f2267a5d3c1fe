"""What the hooks of one frame's step have reduced for one row.

A row may be called several times, and a step may hold several forward and backward passes: everything is put together over all of
them, so that gradient accumulation gives the numbers of the whole batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.table import root_sum_square

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
        self._deviations: list[Tensor] = []
        self._entries: list[int] = []
        self._saturated: list[Tensor] = []
        self._steepest: Tensor | None = None

    def add_delta(self, gradient: Tensor) -> None:
        self._delta_norms.append(reduce.norm(gradient))
        self._delta_entries += gradient.numel()

    def add_activation(self, output: Tensor) -> None:
        # Centred before it is squared: saturated units differ by far less than they are. (var_mean would take four times as long.)
        mean = output.mean()
        self._means.append(mean)
        self._deviations.append(reduce.norm(output - mean))
        self._entries.append(output.numel())

    def add_saturation(self, relative_slope: Tensor) -> None:
        self._saturated.append(torch.count_nonzero(relative_slope < SATURATED_BELOW))

    def add_slope(self, slope: Tensor, units: int) -> None:
        """`units`: the dimension that counts units; a unit's slope is the largest over batch and positions."""
        steepest = slope.abs()
        if slope.ndim > 1:
            steepest = steepest.movedim(units, -1).flatten(0, -2).amax(0)
        self._steepest = steepest if self._steepest is None else torch.maximum(self._steepest, steepest)

    def tensors(self) -> tuple[list[Tensor], ...]:
        """All there is to be copied to the host, kind by kind, one number each."""
        dead = [] if self._steepest is None else [(self._steepest <= DEAD_UP_TO).float().mean()]
        return self._delta_norms, self._means, self._deviations, self._saturated, dead

    def read(
        self, delta_norms: list[float], means: list[float], deviations: list[float], saturated: list[float], dead: list[float]
    ) -> dict[str, float]:
        """Fields of `Frame` from the numbers that `tensors` came to; only what was seen is there."""
        found: dict[str, float] = {}
        if self._delta_entries:
            found["delta_rms"] = root_sum_square(delta_norms) / math.sqrt(self._delta_entries)
        if self._entries:
            found["activation_mean"], found["activation_std"] = self._moments(means, deviations)
        if saturated:
            found["saturated"] = sum(saturated) / sum(self._entries)
        if dead:
            found["dead"] = dead[0]
        return found

    def _moments(self, means: list[float], deviations: list[float]) -> tuple[float, float]:
        """Mean and standard deviation over all calls, from those of each."""
        total = sum(self._entries)
        mean = sum(count * one for count, one in zip(self._entries, means, strict=True)) / total
        between = [math.sqrt(count) * (one - mean) for count, one in zip(self._entries, means, strict=True)]
        return mean, root_sum_square([*deviations, *between]) / math.sqrt(total)
