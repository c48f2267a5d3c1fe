"""What the hooks of one frame's step have seen, reduced to a few numbers a call.

On a CPU, calling a reduction costs more than reducing a small tensor. So small tensors are copied where they pass, and those alike are
reduced together once the step is over, or once too much is kept; all others are reduced where they pass and never kept.

A row may be called several times, and a step may hold several forward and backward passes: everything is put together over all of
them, so that gradient accumulation gives the numbers of the whole batch.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradtui.probe import reduce
from gradtui.probe.kinds import Slope
from gradtui.probe.table import Reader, Sheet, root_sum_square
from gradtui.stream.events import Numbers

DEAD_UP_TO = 0.011
"""The slope of a unit that a leaky ReLU of 0.01 would still call dead, and a little more for rounding."""
SATURATED_BELOW = 0.1
"""Of the largest slope."""
MOST_KEPT = 2**20
"""Entries that are kept before they are reduced: 4 MB in float32."""
_KEPT_BELOW = 32_768
"""Entries of a tensor that is worth keeping."""

Part = tuple[str, Slope | None, int]
"""What is to be found of a tensor: which kind of number, the slope it is made with, and the dimension that counts units."""


@dataclass
class _Alike:
    """Calls whose tensors have the same shape and are reduced the same way."""

    parts: tuple[Part, ...]
    entries: int
    """Of one call's tensor."""
    rows: list[int] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class _Reduced:
    kind: str
    entries: int
    rows: list[int]
    vectors: list[Tensor]


class Seen:
    """Everything of one step; `rows` is how many there are."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._waiting: dict[Hashable, _Alike] = {}
        self._kept = 0
        self._reduced: list[_Reduced] = []

    def clear(self) -> None:
        self._waiting, self._kept, self._reduced = {}, 0, []

    def add(self, row: int, tensor: Tensor, parts: tuple[Part, ...]) -> None:
        tensor = tensor.detach()
        size = tensor.numel()
        if size >= _KEPT_BELOW or tensor.device.type != "cpu" or not size:
            self._take(parts, size, [row], tensor.unsqueeze(0))
            return
        key = parts, tensor.shape, tensor.dtype
        alike = self._waiting.get(key)
        if alike is None:
            alike = self._waiting[key] = _Alike(parts, size)
        alike.rows.append(row)
        alike.kept.append(tensor.clone())  # whatever comes after may write to it
        self._kept += size
        if self._kept > MOST_KEPT:
            self.reduce()

    @torch.no_grad()
    def reduce(self) -> None:
        """Reduce what is kept. Due before the update: slopes may depend on parameters."""
        for alike in self._waiting.values():
            self._take(alike.parts, alike.entries, alike.rows, torch.stack(alike.kept))
        self._waiting, self._kept = {}, 0

    def _take(self, parts: tuple[Part, ...], entries: int, rows: list[int], stack: Tensor) -> None:
        self._reduced += [_Reduced(kind, entries, rows, _REDUCTIONS[kind](stack, slope, units)) for kind, slope, units in parts]

    @torch.no_grad()
    def put(self, sheet: Sheet) -> Reader:
        """The fields that one forward and backward pass gives; a row that was not seen has None in all."""
        self.reduce()
        dead = _dead([found for found in self._reduced if found.kind == "dead"])
        reduced = [found for found in self._reduced if found.kind != "dead"] + dead
        places = [[sheet.put(vector) for vector in found.vectors] for found in reduced]

        def read(numbers: list[float]) -> dict[str, Numbers]:
            calls: dict[str, dict[int, list[tuple[int, list[float]]]]] = {kind: defaultdict(list) for kind in _READERS}
            for found, where in zip(reduced, places, strict=True):
                for row, *values in zip(found.rows, *(numbers[place] for place in where), strict=True):
                    calls[found.kind][row].append((found.entries, values))
            return {name: self._column(calls[kind], one) for kind, fields in _READERS.items() for name, one in fields.items()}

        return read

    def _column(self, calls: dict[int, list[tuple[int, list[float]]]], one: Callable[[Calls], float]) -> Numbers:
        return [one(calls[row]) if row in calls else None for row in range(self._rows)]


Calls = Sequence[tuple[int, Sequence[float]]]
"""Of one row: each call's entries and numbers."""


def _norms(stack: Tensor, slope: Slope | None, units: int) -> list[Tensor]:
    return [reduce.row_norms(stack.abs().flatten(1) if stack.is_complex() else stack.flatten(1))]


def _moments(stack: Tensor, slope: Slope | None, units: int) -> list[Tensor]:
    # Centred before it is squared: saturated units differ by far less than they are. (var_mean would take four times as long.)
    rows = stack.flatten(1)
    means = rows.mean(1)
    return [means, reduce.row_norms(rows - means.unsqueeze(1))]


def _saturated(stack: Tensor, slope: Slope | None, units: int) -> list[Tensor]:
    assert slope is not None
    return [slope(stack).lt_(SATURATED_BELOW).flatten(1).mean(1, dtype=torch.float32)]


def _steepest(stack: Tensor, slope: Slope | None, units: int) -> list[Tensor]:
    """(calls, units): a unit's slope is the largest over batch and positions."""
    assert slope is not None
    sizes = slope(stack).abs_()
    return [sizes if sizes.ndim == 2 else sizes.movedim(units if units < 0 else units + 1, 1).flatten(2).amax(2)]


_REDUCTIONS: dict[str, Callable[[Tensor, Slope | None, int], list[Tensor]]] = {
    "delta": _norms,
    "activation": _moments,
    "saturated": _saturated,
    "dead": _steepest,
}
"""Some calls' tensors, stacked -> vectors of one number a call."""

DELTA: tuple[Part, ...] = (("delta", None, 0),)
ACTIVATION: Part = ("activation", None, 0)


def _dead(found: Sequence[_Reduced]) -> list[_Reduced]:
    """From every unit's slope to the share of dead units; one entry a row, over all its calls."""
    often = {row for row, count in Counter(row for one in found for row in one.rows).items() if count > 1}
    shares = [_Reduced("dead", 1, one.rows, [_flat(one.vectors[0])]) for one in found if not often.intersection(one.rows)]
    slopes: dict[int, list[Tensor]] = defaultdict(list)
    for one in found:
        if often.intersection(one.rows):
            for row, steepest in zip(one.rows, one.vectors[0], strict=True):
                slopes[row].append(steepest)
    return shares + [_Reduced("dead", 1, [row], [_flat(torch.stack(calls).amax(0, keepdim=True))]) for row, calls in slopes.items()]


def _flat(steepest: Tensor) -> Tensor:
    return (steepest <= DEAD_UP_TO).float().mean(1)


def _total(calls: Calls) -> int:
    return sum(entries for entries, _ in calls)


def _delta_rms(calls: Calls) -> float:
    return root_sum_square([norm for _, (norm,) in calls]) / math.sqrt(_total(calls))


def _mean(calls: Calls) -> float:
    return sum(entries * mean for entries, (mean, _) in calls) / _total(calls)


def _std(calls: Calls) -> float:
    mean = _mean(calls)
    between = [math.sqrt(entries) * (one - mean) for entries, (one, _) in calls]
    return root_sum_square([*(deviation for _, (_, deviation) in calls), *between]) / math.sqrt(_total(calls))


def _share(calls: Calls) -> float:
    return sum(entries * share for entries, (share,) in calls) / _total(calls)


_READERS: dict[str, dict[str, Callable[[Calls], float]]] = {
    "delta": {"delta_rms": _delta_rms},
    "activation": {"activation_mean": _mean, "activation_std": _std},
    "saturated": {"saturated": _share},
    "dead": {"dead": _share},
}
