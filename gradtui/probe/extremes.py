"""Every step's gradient norms, and their extremes since the last frame.

A step only writes its parameters' norms into a table on the device. Putting them together into rows and extremes is done for many
steps at once, when the table is full or a frame is due: a step pays for two or three small kernels and never waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.reduce import Batch
from gradtui.probe.rows import Row
from gradtui.probe.table import Reader, Sheet
from gradtui.stream.events import Numbers

_STEPS_IN_TABLE = 64


class GradientNorms:
    """The every-step norms of `rows`. A row without any gradient on a step is left out of that step's extremes."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.parameters = [parameter for row in rows for parameter in row.parameters]
        self.batches: list[Batch] = []
        self._row_of = [index for index, row in enumerate(rows) for _ in row.parameters]
        self._names = [row.identity for row in rows]
        self._layouts: list[torch.layout | None] = [None] * len(self.parameters)
        self._table: tuple[Tensor, ...] = ()
        self._filled = 0
        self._extremes: tuple[Tensor, Tensor] | None = None
        self._now: Tensor | None = None

    @torch.no_grad()
    def measure(self) -> list[Tensor | None]:
        """Take this step's norms; returns the gradients as they were found, in the order of `parameters`."""
        gradients = [parameter.grad for parameter in self.parameters]
        layouts = [None if gradient is None else gradient.layout for gradient in gradients]
        if layouts != self._layouts:
            self._replan(gradients, layouts)
        if not self.batches:
            return gradients
        if self._filled == len(self._table):
            self._fold()
        vectors = reduce.norms(gradients, self.batches)
        if len(vectors) > 1:
            device = self._table[0].device
            torch.cat([vector.to(device, non_blocking=True) for vector in vectors], out=self._table[self._filled])
        else:
            self._table[self._filled].copy_(vectors[0])
        self._filled += 1
        return gradients

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

    def _replan(self, gradients: Sequence[Tensor | None], layouts: list[torch.layout | None]) -> None:
        """Gradients have appeared, vanished or become sparse: lay the table out anew."""
        self._fold()
        self._layouts = layouts
        self.batches = reduce.plan(gradients)
        order = reduce.members(self.batches)
        first = next((gradients[index] for index in order), None)
        if first is None:
            self._now = None
            return
        self._table = torch.zeros(_STEPS_IN_TABLE, len(order), dtype=reduce.wide(first), device=first.device).unbind(0)
        columns: list[list[int]] = [[] for _ in self._names]
        for column, index in enumerate(order):
            columns[self._row_of[index]].append(column)
        widest = max(len(found) for found in columns)
        padded = [found + [len(order)] * (widest - len(found)) for found in columns]
        self._columns = torch.tensor(padded, device=first.device)
        self._present = torch.tensor([bool(found) for found in columns], device=first.device)

    @torch.no_grad()
    def _fold(self) -> None:
        """Empty the table into the rows' extremes. minimum, maximum, amin and amax all let NaN through: it is the worst there is."""
        if not self._filled:
            return
        norms = torch.stack(self._table[: self._filled])
        squares = torch.cat([norms.square(), norms.new_zeros(self._filled, 1)], dim=1)
        rows = squares[:, self._columns].sum(-1).sqrt()
        self._filled = 0
        low, high = (torch.where(self._present, rows, none) for none in _NONE)
        self._now = high[-1]
        lowest, highest = low.amin(0), high.amax(0)
        if self._extremes is not None:
            lowest, highest = torch.minimum(lowest, self._extremes[0]), torch.maximum(highest, self._extremes[1])
        self._extremes = lowest, highest


_NONE = (math.inf, -math.inf)
"""What stands for "no gradient" in a minimum and in a maximum: a norm is never -inf."""
