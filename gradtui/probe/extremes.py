"""Every step's gradient norms, and their extremes since the last frame.

A step only takes its parameters' norms and leaves them on the device. Putting them together into rows and extremes is done for many
steps at once, when enough have gathered or a frame is due: a step pays for a few small kernels and never waits for the device.

Where a loop clips, its own norms are taken, and a row whose norm float32 cannot hold is only measured now and then (`overheard.py`): on the
steps between, when all that is known of it is that it is small, it is left out of the extremes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.overheard import Known, OverheardNorms
from gradtui.probe.quick import QuickNorms, quick_norms
from gradtui.probe.reduce import Batch, Description, Limit
from gradtui.probe.rows import Row
from gradtui.probe.table import Reader, Sheet
from gradtui.stream.events import Numbers

_STEPS_AT_ONCE = 64


@dataclass(frozen=True)
class Scaling:
    """What a GradScaler leaves to a fused optimizer: the loss scale, and whether to make the step."""

    scale: Tensor | None
    """One number, on the device, that the gradients are still multiplied by; None: they are unscaled already."""
    skipped: Tensor
    """One number: above 0 when a gradient was not finite, so that the optimizer will leave the step out."""

    def correct(self, norms: Tensor) -> Tensor:
        """The norms unscaled; -1 stands for a step that is left out, whose norms say nothing."""
        if self.scale is not None:
            norms = norms / self.scale.to(norms.device)
        return norms.masked_fill(self.skipped.to(norms.device) > 0, -1)


class GradientNorms:
    """The every-step norms of `rows`. A row without any gradient on a step is left out of that step's extremes."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.parameters = [parameter for row in rows for parameter in row.parameters]
        self.batches: list[Batch] = []
        self._sharded = any(hasattr(parameter, "to_local") for parameter in self.parameters)
        self._row_of = [index for index, row in enumerate(rows) for _ in row.parameters]
        self._names = [row.identity for row in rows]
        self._without = self.parameters
        self._quick: list[QuickNorms] = []
        self._overheard = OverheardNorms([], [])
        self._kinds: list[object] = []
        self._gathered: list[list[Tensor]] = []
        self._extremes: tuple[Tensor, Tensor] | None = None
        self._now: Tensor | None = None

    def measure(self, known: Known | None = None) -> None:
        """Take this step's norms; `known`: what somebody has taken already."""
        recording = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)  # torch.no_grad is eight calls of Python more, on every step
        try:
            self._gather(self._measured(known))
        finally:
            torch._C._set_grad_enabled(recording)

    def _measured(self, known: Known | None) -> list[Tensor]:
        gradients = self._gradients()
        if self._without and self._appeared():
            self._replan(gradients)
        told = [None] * len(self._quick) if known is None else self._overheard.find(gradients, known)
        try:
            return [quick.measure(gradients) if norms is None else norms for quick, norms in zip(self._quick, told, strict=True)]
        except _NOT_AS_PLANNED:
            self._replan(gradients)
            return [quick.measure(gradients) for quick in self._quick]

    @torch.no_grad()
    def describe(self, limit: Limit) -> list[Description]:
        """Take this step's norms, exactly, and all that a frame says of the gradients; one description a batch."""
        gradients = self._gradients()
        self._replan(gradients)
        described = [reduce.describe(gradients, batch, limit) for batch in self.batches]
        self._gather([description.norms for description in described])
        return described

    def _gather(self, norms: list[Tensor]) -> None:
        if norms:
            if len(self._gathered) == _STEPS_AT_ONCE:
                self._fold()
            self._gathered.append(norms)

    @torch.no_grad()
    def correct(self, scaling: Scaling) -> None:
        """Unscale the norms of the last `measure`; a step that will be left out leaves no trace in them."""
        if self._gathered:
            self._gathered[-1] = [scaling.correct(vector) for vector in self._gathered[-1]]

    def forget_step(self) -> None:
        """Take the newest step back, if its gradients were measured."""
        if self._gathered:
            self._gathered.pop()

    @torch.no_grad()
    def total(self) -> Tensor | None:
        """The norm of all gradients as they stand now, not as they were measured."""
        vectors = reduce.norms(self._gradients(), self.batches)
        return torch.cat([vector.to(vectors[0].device) for vector in vectors]).square().sum().sqrt() if vectors else None

    def _gradients(self) -> list[Tensor | None]:
        gradients = [parameter.grad for parameter in self.parameters]
        return reduce.local(gradients) if self._sharded else gradients

    def now(self) -> Tensor | None:
        """The rows' norms on the newest step, -inf where a row has no gradient; None before the first gradient."""
        self._fold()
        return self._now

    def put(self, sheet: Sheet) -> Reader:
        """grad_norm_min and grad_norm_max since the last call; None for a row that never had a gradient."""
        extremes = self._take_extremes()
        places = None if extremes is None else [sheet.put(values) for values in extremes]

        def read(numbers: list[float]) -> dict[str, Numbers]:
            low, high = ([None] * len(self._names),) * 2 if places is None else (numbers[place] for place in places)
            never = [value is None or value == -math.inf for value in high]
            return {
                "grad_norm_min": [None if none else value for none, value in zip(never, low, strict=True)],
                "grad_norm_max": [None if none else value for none, value in zip(never, high, strict=True)],
            }

        return read

    def _take_extremes(self) -> tuple[Tensor, Tensor] | None:
        """Smallest and largest norm of every row since the last call (inf and -inf: never a gradient); the next start anew."""
        self._fold()
        extremes, self._extremes = self._extremes, None
        return extremes

    def inherit(self, older: GradientNorms) -> None:
        """Go on with the extremes of the rows as they were before the model was changed; rows are matched by name."""
        extremes = older._take_extremes()
        if extremes is None:
            return
        if older._names == self._names:
            self._extremes = extremes
            return
        places = {name: place for place, name in enumerate(older._names)}
        index = torch.tensor([places.get(name, len(places)) for name in self._names], device=extremes[0].device)
        low, high = (torch.cat([values, values.new_full((1,), none)]) for values, none in zip(extremes, _NONE, strict=True))
        self._extremes = low[index], high[index]

    def _appeared(self) -> bool:
        """Whether a parameter that had no gradient has one."""
        return any(parameter.grad is not None for parameter in self._without)

    def _replan(self, gradients: Sequence[Tensor | None]) -> None:
        """Find out anew what goes together, if gradients have appeared, vanished or become sparse."""
        kinds: list[object] = [None if gradient is None else (gradient.layout, gradient.dtype, gradient.device) for gradient in gradients]
        if kinds == self._kinds:
            return
        self._fold()
        self._kinds = kinds
        self._without = [parameter for parameter, gradient in zip(self.parameters, gradients, strict=True) if gradient is None]
        self.batches = reduce.plan(gradients)
        self._quick = quick_norms(gradients, self.batches)
        self._overheard = OverheardNorms(gradients, self.batches)
        order = reduce.members(self.batches)
        first = next((gradients[index] for index in order), None)
        if first is None:
            self._now = None
            return
        columns: list[list[int]] = [[] for _ in self._names]
        for column, index in enumerate(order):
            columns[self._row_of[index]].append(column)
        widest = max(len(found) for found in columns)
        padded = [found + [len(order)] * (widest - len(found)) for found in columns]
        self._columns = torch.tensor(padded, device=first.device)
        self._present = torch.tensor([bool(found) for found in columns], device=first.device)

    @torch.no_grad()
    def _fold(self) -> None:
        """Put the gathered steps into the rows' extremes. minimum, maximum, amin and amax all let NaN through: it is the worst there is."""
        if not self._gathered:
            return
        device = self._columns.device
        norms = [torch.stack(steps).to(device, reduce.wide(self._columns)) for steps in zip(*self._gathered, strict=True)]
        whole = torch.cat([*norms, norms[0].new_zeros(len(self._gathered), 1)], dim=1)
        rows = whole.square()[:, self._columns].sum(-1).sqrt()
        # What stands for a norm that is too small is a zero with a sign; a row that is held by another of its norms is known by that.
        too_small = (rows == 0) & torch.signbit(whole)[:, self._columns].any(-1)
        self._gathered = []
        taken = self._present & ~too_small & ~(norms[0][:, :1] < 0)
        low, high = (torch.where(taken, rows, none) for none in _NONE)
        self._now = high[-1]
        lowest, highest = low.amin(0), high.amax(0)
        if self._extremes is not None:
            lowest, highest = torch.minimum(lowest, self._extremes[0]), torch.maximum(highest, self._extremes[1])
        self._extremes = lowest, highest


_NOT_AS_PLANNED = (TypeError, RuntimeError, AttributeError)
"""What torch raises for a gradient that has vanished or become sparse. Looking at each one before would cost as much as its norm."""

_NONE = (math.inf, -math.inf)
"""What stands for "no gradient" in a minimum and in a maximum: a norm is never -inf."""
