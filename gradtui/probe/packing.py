"""Small tensors side by side, so that one call reduces them all.

On a CPU, calling a reduction costs more than reducing a small tensor. So small tensors are copied into a matrix of short rows, each
tensor in rows of its own, the last of them filled up with zeros: a reduction gives one number a row, and adding up a tensor's rows is
small work. A matrix holds one block of the tensors, and the blocks take turns in the same memory, which stays in the processor's
cache: a network of any size needs no more of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch
from torch import Tensor

WIDTH = 64
"""Entries of a row."""
BLOCK = 65_536
"""Entries of a block: 256 kB in float32."""


@dataclass(frozen=True)
class _Run:
    """Tensors next to each other that are alike and fill their rows: one call copies them all, several times as fast as one by one."""

    first: int
    last: int
    """The tensors `first` to `last` - 1 of the list."""
    place: Tensor
    """View of the matrix where they go, stacked."""


@dataclass(frozen=True)
class _Block:
    rows: slice
    """Its rows among those of all blocks."""
    matrix: Tensor
    runs: list[_Run]
    others: list[int]
    """Tensors of the list that are in no run."""
    places: list[Tensor]
    """Views of the matrix where the others go, then those that have to be zero."""
    zeros: list[Tensor]


class Packing:
    """Where tensors of the shapes of `tensors` go, in rows of `dtype`. `block`: the most entries that are copied at a time."""

    def __init__(self, tensors: Sequence[Tensor], dtype: torch.dtype, block: int = BLOCK) -> None:
        counts = [-(-tensor.numel() // WIDTH) for tensor in tensors]
        self.lengths = torch.tensor(counts)
        """Rows of each tensor."""
        self.rows = sum(counts)
        spans = _spans(counts, max(1, block // WIDTH))
        memory = torch.zeros(max((sum(counts[first:last]) for first, last in spans), default=0), WIDTH, dtype=dtype)
        self._blocks: list[_Block] = []
        start = 0
        for first, last in spans:
            rows = slice(start, start := start + sum(counts[first:last]))
            self._blocks.append(_lay_out(tensors, counts, first, last, rows, memory[: rows.stop - rows.start], zeros=len(spans) > 1))

    def blocks(self, tensors: Sequence[Tensor]) -> Iterator[tuple[slice, Tensor]]:
        """Block by block: which rows, and they themselves, (rows, WIDTH); free to be written to, and overwritten by the next block."""
        for block in self._blocks:
            for run in block.runs:
                torch.stack(tensors[run.first : run.last], out=run.place)  # type: ignore[arg-type]
            if block.places:
                torch._foreach_copy_(block.places, [*[tensors[index] for index in block.others], *block.zeros])
            yield block.rows, block.matrix

    def map(self, tensors: Sequence[Tensor], reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """What `reduce` makes of every row, (rows, …)."""
        found = [reduce(matrix) for _, matrix in self.blocks(tensors)]
        return found[0] if len(found) == 1 else torch.cat(found)

    def norms(self, tensors: Sequence[Tensor]) -> Tensor:
        """The 2-norms, accumulated in float64."""
        return self.root_sum(self.map(tensors, lambda matrix: torch.linalg.vector_norm(matrix, dim=1, dtype=torch.float64)))

    def root_sum(self, rows: Tensor) -> Tensor:
        """The rows' norms -> the tensors'. Overwrites them."""
        return self.sum(rows.mul_(rows)).sqrt_()

    def sum(self, rows: Tensor) -> Tensor:
        """One number (or several) a row -> the sum of each tensor's."""
        return torch.segment_reduce(rows, "sum", lengths=self.lengths, unsafe=True)

    def largest(self, rows: Tensor) -> Tensor:
        """One number a row -> the largest of each tensor's, NaN where one is."""
        return torch.segment_reduce(rows, "max", lengths=self.lengths, unsafe=True)


def _spans(counts: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Runs of tensors that have `most` rows together, or are one tensor."""
    spans: list[tuple[int, int]] = []
    first = rows = 0
    for index, count in enumerate(counts):
        if index > first and rows + count > most:
            spans.append((first, index))
            first, rows = index, 0
        rows += count
    return [*spans, (first, len(counts))] if counts else []


def _lay_out(tensors: Sequence[Tensor], counts: Sequence[int], first: int, last: int, rows: slice, matrix: Tensor, zeros: bool) -> _Block:
    """`zeros`: other blocks use the same memory, so what fills up a row has to be made zero again."""
    flat = matrix.view(-1)
    starts = [WIDTH * start for start in accumulate(counts[first:last], initial=0)]
    runs: list[_Run] = []
    others: list[int] = []
    places: list[Tensor] = []
    filling: list[Tensor] = []
    for begin, end in _alike(tensors, first, last):
        shape, size, start = tensors[begin].shape, tensors[begin].numel(), starts[begin - first]
        if end - begin > 1 and size % WIDTH == 0:
            runs.append(_Run(begin, end, flat[start : start + (end - begin) * size].view(end - begin, *shape)))
            continue
        for index in range(begin, end):
            start, stop = starts[index - first], starts[index - first + 1]
            others.append(index)
            places.append(flat[start : start + size].view(shape))
            if zeros and start + size < stop:
                filling.append(flat[start + size : stop])
    return _Block(rows, matrix, runs, others, places + filling, [torch.zeros_like(view) for view in filling])


def _alike(tensors: Sequence[Tensor], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The tensors `first` to `last` - 1 in runs of the same shape."""
    for _, run in groupby(range(first, last), key=lambda index: tensors[index].shape):
        found = list(run)
        yield found[0], found[-1] + 1
