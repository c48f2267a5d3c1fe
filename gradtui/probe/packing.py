"""Small tensors side by side, so that one call reduces many.

On a CPU, calling a reduction costs more than reducing a small tensor. So small tensors are copied into a matrix of short rows, each
tensor in rows of its own, the last of them filled up with zeros: a reduction gives one number a row, and adding up a tensor's rows is
small work. Where there are too many for one matrix, those of one shape have one to themselves, a row each, which is reduced in a third of
the time. Such blocks of the tensors take turns in the same memory, which stays in the processor's cache: a network of any size needs no
more of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TypeVar

import torch
from torch import Tensor

Found = TypeVar("Found")

WIDTH = 64
"""Entries of a short row."""
BLOCK = 81_920
"""Entries of a block: 320 kB in float32."""


@dataclass(frozen=True)
class _Stack:
    """Tensors of one shape next to each other: one call copies them all, several times as fast as one by one."""

    first: int
    last: int
    """The tensors `first` to `last` - 1 of the list."""
    place: Tensor
    """View of the matrix where they go, stacked."""


@dataclass(frozen=True)
class _Block:
    matrix: Tensor
    stacks: list[_Stack]
    others: list[int]
    """Tensors of the list that are in no stack."""
    places: list[Tensor]
    """Views of the matrix where the others go, then those that have to be zero."""
    zeros: list[Tensor]


class Packing:
    """Where tensors of the shapes of `tensors` go, in `dtype`. `block`: the most entries that are copied at a time, or one tensor's."""

    def __init__(self, tensors: Sequence[Tensor], dtype: torch.dtype, block: int = BLOCK) -> None:
        spans = list(_spans(tensors, block))
        most = max((sum(_entries(tensors, span)) for span in spans), default=0)
        memory = torch.zeros(most, dtype=dtype, device="cpu")
        self._blocks: list[_Block] = []
        counts: list[int] = []
        for span in spans:
            self._blocks.append(_lay_out(tensors, span, memory, zeros=len(spans) > 1))
            width = self._blocks[-1].matrix.shape[1]
            counts += [size // width for size in _entries(tensors, span)]
        self.lengths = torch.tensor(counts, device="cpu")
        """Rows of each tensor."""
        self._single = set(counts) <= {1}

    def blocks(self, tensors: Sequence[Tensor]) -> Iterator[Tensor]:
        """Block by block the rows, as wide as the block is; free to be written to, and overwritten by the next."""
        for block in self._blocks:
            for stack in block.stacks:
                torch.stack(tensors[stack.first : stack.last], out=stack.place)  # type: ignore[arg-type]
            if block.places:
                torch._foreach_copy_(block.places, [*[tensors[index] for index in block.others], *block.zeros])
            yield block.matrix

    def map(self, tensors: Sequence[Tensor], reduce: Callable[[Tensor], Found]) -> list[Found]:
        """What `reduce` makes of every block's rows."""
        return [reduce(matrix) for matrix in self.blocks(tensors)]

    def by_block(self, values: Tensor) -> list[Tensor]:
        """One number a tensor -> a column for each block, a number a row."""
        column = values.repeat_interleave(self.lengths).unsqueeze(1)
        return list(torch.split(column, [len(block.matrix) for block in self._blocks]))

    def norms(self, tensors: Sequence[Tensor]) -> Tensor:
        """The 2-norms, accumulated in float64."""
        return self.root_sum(self.map(tensors, lambda matrix: torch.linalg.vector_norm(matrix, dim=1, dtype=torch.float64)))

    def root_sum(self, rows: Sequence[Tensor]) -> Tensor:
        """The rows' norms, block by block -> the tensors'."""
        whole = torch.cat(rows)  # type: ignore[arg-type]
        return whole if self._single else self._reduce(whole.mul_(whole), "sum").sqrt_()

    def sum(self, rows: Sequence[Tensor]) -> Tensor:
        """One number (or several) a row, block by block -> the sum of each tensor's."""
        return self._reduce(torch.cat(rows), "sum")  # type: ignore[arg-type]

    def largest(self, rows: Sequence[Tensor]) -> Tensor:
        """One number a row, block by block -> the largest of each tensor's, NaN where one is."""
        return self._reduce(torch.cat(rows), "max")  # type: ignore[arg-type]

    def _reduce(self, rows: Tensor, how: str) -> Tensor:
        return rows if self._single else torch.segment_reduce(rows, how, lengths=self.lengths, unsafe=True)


def order(tensors: Mapping[int, Tensor], members: Sequence[int]) -> list[int]:
    """`members`, keys of `tensors`, as they are packed best: those of one shape next to each other, what is left over before them."""
    often = Counter(tensors[index].shape for index in members)
    return sorted(members, key=lambda index: (often[tensors[index].shape] > 1, tensors[index].shape))


def _spans(tensors: Sequence[Tensor], most: int) -> Iterator[Sequence[int]]:
    """Tensors next to each other that make up a block: all, or else alike, or each unlike its neighbours."""
    everything = range(len(tensors))
    if sum(_entries(tensors, everything)) <= most:
        yield everything
        return
    for _, found in groupby(_runs(tensors, everything), key=lambda run: run[0] if len(run) > 1 else -1):
        block: list[int] = []
        entries = 0
        whole = [index for run in found for index in run]
        for index, size in zip(whole, _entries(tensors, whole), strict=True):
            if block and entries + size > most:
                yield block
                block, entries = [], 0
            block.append(index)
            entries += size
        yield block


def _runs(tensors: Sequence[Tensor], span: Sequence[int]) -> Iterator[list[int]]:
    """Of one shape, and next to each other."""
    for _, run in groupby(span, key=lambda index: tensors[index].shape):
        yield list(run)


def _alike(tensors: Sequence[Tensor], span: Sequence[int]) -> bool:
    return len({tensors[index].shape for index in span}) == 1


def _entries(tensors: Sequence[Tensor], span: Sequence[int]) -> list[int]:
    """Of each tensor in its block, what fills up its last row included."""
    sizes = [tensors[index].numel() for index in span]
    return sizes if _alike(tensors, span) else [-(-size // WIDTH) * WIDTH for size in sizes]


def _lay_out(tensors: Sequence[Tensor], span: Sequence[int], memory: Tensor, zeros: bool) -> _Block:
    """`zeros`: other blocks use the same memory, so what fills up a row has to be made zero again."""
    entries = _entries(tensors, span)
    flat = memory[: sum(entries)]
    matrix = flat.view(-1, entries[0] if _alike(tensors, span) else WIDTH)
    starts = dict(zip(span, accumulate(entries, initial=0), strict=False))
    block = _Block(matrix, [], [], [], [])
    filling: list[Tensor] = []
    for run in _runs(tensors, span):
        first, shape, size = starts[run[0]], tensors[run[0]].shape, tensors[run[0]].numel()
        if len(run) > 1 and size % matrix.shape[1] == 0:
            block.stacks.append(_Stack(run[0], run[-1] + 1, flat[first : first + len(run) * size].view(len(run), *shape)))
            continue
        for index in run:
            place = starts[index]
            block.others.append(index)
            block.places.append(flat[place : place + size].view(shape))
            if zeros and size % matrix.shape[1]:
                filling.append(flat[place + size : place + size + -size % matrix.shape[1]])
    block.places.extend(filling)
    block.zeros.extend(torch.zeros_like(view) for view in filling)
    return block
