"""Norms and counts of many tensors at once, in float64.

The square of 1e-23 is 0 in float32, and that of 1e20 is infinite, while vanishing and exploding gradients are the subject.

On a CPU, calling a reduction costs more than reducing a small tensor, so equal shapes are stacked first; everywhere else
`torch._foreach_norm` does all tensors in one go without copying them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_STACKED_BELOW = 65_536
"""Entries. Above it a tensor's own reduction costs more than calling it, and stacking would only copy."""


@dataclass(frozen=True)
class Batch:
    """Some tensors of a list that are reduced together."""

    members: tuple[int, ...]
    """Their places in the list."""
    stacked: bool


def plan(tensors: Sequence[Tensor | None]) -> list[Batch]:
    """How to reduce the tensors of a list like this one; what is missing or empty is left out."""
    together: dict[tuple[torch.device, torch.dtype, torch.Size | None], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        if tensor is None or tensor.numel() == 0:
            continue
        small = tensor.device.type == "cpu" and tensor.numel() < _STACKED_BELOW
        plain = tensor.layout == torch.strided and not tensor.is_complex()
        together[tensor.device, tensor.dtype, tensor.shape if small and plain else None].append(index)
    return [Batch(tuple(found), shape is not None) for (_, _, shape), found in together.items()]


def members(batches: Sequence[Batch]) -> list[int]:
    """The places of the tensors in the order in which their numbers come out."""
    return [index for batch in batches for index in batch.members]


def norms(tensors: Sequence[Tensor | None], batches: Sequence[Batch]) -> list[Tensor]:
    """The 2-norms, one vector a batch."""
    found = []
    for batch in batches:
        chosen = members_of(tensors, batch)
        if batch.stacked:
            found.append(row_norms(torch.stack(chosen).view(len(chosen), -1)))
        else:
            real = [magnitudes(tensor) for tensor in chosen]
            found.append(torch.stack(torch._foreach_norm(real, 2, dtype=wide(real[0]))))
    return found


def matrices(tensors: Sequence[Tensor | None], batches: Sequence[Batch], copy: bool = False) -> list[Tensor]:
    """The tensors as rows of matrices, in the order of `members`: copies, or views where nothing has to be stacked."""
    found = []
    for batch in batches:
        chosen = members_of(tensors, batch)
        if batch.stacked:
            found.append(torch.stack(chosen).view(len(chosen), -1))
        else:
            rows = [dense(tensor).reshape(1, -1) for tensor in chosen]
            found += [row.clone() if copy else row for row in rows]
    return found


def row_norms(matrix: Tensor) -> Tensor:
    real = magnitudes(matrix)
    norms: Tensor = torch.linalg.vector_norm(real, dim=1, dtype=wide(real))
    return norms


def norm(tensor: Tensor) -> Tensor:
    real = magnitudes(tensor)
    norm: Tensor = torch.linalg.vector_norm(real, dtype=wide(real))
    return norm


def describe(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of every row: the largest absolute entry (NaN where there is one), how many entries are not zero, how many are not finite."""
    if not matrix.shape[1]:  # a sparse gradient may have no entries
        none = torch.zeros(len(matrix), device=matrix.device)
        return none, none, none
    sizes = matrix.abs()
    largest = sizes.amax(1)
    nonfinite = _count_nonzero(sizes * 0)  # 0 × inf and 0 × NaN are NaN, which is not zero
    return largest, _count_nonzero(sizes), nonfinite


def _count_nonzero(matrix: Tensor) -> Tensor:
    """Overwrites the matrix: torch.count_nonzero takes three times as long, most of it for the mask it makes."""
    whole = matrix.dtype == torch.float32 and matrix.shape[1] < 2**24  # all counts up to there are float32 numbers
    return matrix.ne_(0).sum(1, dtype=matrix.dtype if whole else wide(matrix))


def local(tensors: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Of tensors that are sharded over processes (`DTensor`), this process's shards; the others as they are."""
    return [tensor if tensor is None or not hasattr(tensor, "to_local") else tensor.to_local() for tensor in tensors]


def dense(tensor: Tensor) -> Tensor:
    """The values that a tensor stores, as a dense tensor; a sparse gradient's entries for the same place are added up first."""
    return tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor


def magnitudes(tensor: Tensor) -> Tensor:
    """Real numbers with the tensor's norm: itself, or a complex one's absolute values."""
    tensor = dense(tensor)
    return tensor.abs() if tensor.is_complex() else tensor


def wide(tensor: Tensor) -> torch.dtype:
    """What to accumulate in: float64, where the device has it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def members_of(tensors: Sequence[Tensor | None], batch: Batch) -> list[Tensor]:
    return [tensor for index in batch.members if (tensor := tensors[index]) is not None]
