"""Norms and counts of many tensors at once, in float64.

The square of 1e-23 is 0 in float32, and that of 1e20 is infinite, while vanishing and exploding gradients are the subject.

On a CPU small tensors are packed into one matrix; everywhere else `torch._foreach_norm` does all tensors in one go without copying
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtui.probe.packing import BLOCK, Packing, order

PACKED_BELOW = 8_192
"""Entries. Above it a tensor's own reduction costs more than calling it, and packing would only copy."""
PIECE = 2**24
"""Entries that are described at a time: what is made of them meanwhile must not need the memory of a whole embedding."""

Limit = float | Tensor | None
"""The smallest normal number of what a gradient was computed in, as large as the gradient is now; None: of its own dtype."""


@dataclass(frozen=True)
class Batch:
    """Some tensors of a list that are reduced together."""

    members: tuple[int, ...]
    """Their places in the list."""
    packing: Packing | None
    """None: they are reduced where they are."""


@dataclass(frozen=True)
class Description:
    """A batch's tensors, one number each."""

    norms: Tensor
    largest: Tensor
    """Absolute; NaN where there is one."""
    counts: Tensor
    """(tensors, 3): how many entries are not zero, how many are subnormal, and how many are not finite."""


def plan(tensors: Sequence[Tensor | None], pack: bool = True, block: int = BLOCK) -> list[Batch]:
    """How to reduce the tensors of a list like this one; what is missing or empty is left out."""
    together: dict[tuple[torch.device, torch.dtype, bool], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        if tensor is not None and tensor.numel():
            small = pack and tensor.device.type == "cpu" and tensor.numel() < PACKED_BELOW
            plain = tensor.layout == torch.strided and tensor.is_floating_point()
            together[tensor.device, tensor.dtype, small and plain].append(index)
    return [_packed(tensors, found, block) if packed else Batch(tuple(found), None) for (_, _, packed), found in together.items()]


def _packed(tensors: Sequence[Tensor | None], members: Sequence[int], block: int) -> Batch:
    there = {index: tensor for index in members if (tensor := tensors[index]) is not None}
    ordered = order(there, members)
    chosen = [there[index] for index in ordered]
    return Batch(tuple(ordered), Packing(chosen, torch.float64 if chosen[0].dtype == torch.float64 else torch.float32, block))


def members(batches: Sequence[Batch]) -> list[int]:
    """The places of the tensors in the order in which their numbers come out."""
    return [index for batch in batches for index in batch.members]


def norms(tensors: Sequence[Tensor | None], batches: Sequence[Batch]) -> list[Tensor]:
    """The 2-norms, one vector a batch."""
    found = []
    for batch in batches:
        chosen = members_of(tensors, batch)
        found.append(_norms(chosen) if batch.packing is None else batch.packing.norms(chosen))
    return found


def _norms(tensors: Sequence[Tensor]) -> Tensor:
    real = [magnitudes(tensor) for tensor in tensors]
    return torch.stack(torch._foreach_norm(real, 2, dtype=wide(real[0])))


def row_norms(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1, dtype=wide(matrix))
    return norms


def norm(tensor: Tensor) -> Tensor:
    real = magnitudes(tensor)
    norm: Tensor = torch.linalg.vector_norm(real, dtype=wide(real))
    return norm


def describe(tensors: Sequence[Tensor | None], batch: Batch, limit: Limit) -> Description:
    """All there is to say of one batch's gradients."""
    chosen = members_of(tensors, batch)
    if limit is None:
        limit = torch.finfo(chosen[0].dtype).tiny
    elif isinstance(limit, Tensor):
        limit = limit.to(chosen[0].device)
    packing = batch.packing
    if packing is None:
        described = [_describe_whole(tensor, limit) for tensor in chosen]
        return Description(_norms(chosen), *(torch.stack(found) for found in zip(*described, strict=True)))
    rows = packing.map(chosen, lambda matrix: (row_norms(matrix), *_describe_rows(matrix.abs_(), limit)))
    norms, largest, counts = zip(*rows, strict=True)
    return Description(packing.root_sum(norms), packing.largest(largest), packing.sum(counts))


def _describe_whole(tensor: Tensor, limit: float | Tensor) -> tuple[Tensor, Tensor]:
    flat = dense(tensor).reshape(-1)
    if not len(flat):  # a sparse gradient may have no entries
        return torch.zeros((), device=flat.device), torch.zeros(3, dtype=wide(flat), device=flat.device)
    pieces = [_describe_rows(piece.abs().unsqueeze(0), limit) for piece in torch.split(flat, PIECE)]
    largest, counts = zip(*pieces, strict=True)
    return torch.cat(largest).amax(), torch.cat(counts).sum(0)


def _describe_rows(sizes: Tensor, limit: float | Tensor) -> tuple[Tensor, Tensor]:
    """`largest` and `counts` of every row of absolute values, which are overwritten."""
    largest = sizes.amax(1)
    scratch = torch.empty_like(sizes)
    nonzero = _count(torch.ne(sizes, 0, out=scratch))
    below = _count(torch.lt(sizes, limit, out=scratch))
    nonfinite = _count(sizes.mul_(0).ne_(0))  # 0 × inf and 0 × NaN are NaN, which is not zero
    return largest, torch.stack([nonzero, below + nonzero - sizes.shape[1], nonfinite], dim=1)


def _count(ones: Tensor) -> Tensor:
    """Row sums of zeros and ones. (torch.count_nonzero takes three times as long, most of it for the mask it makes.)"""
    whole = ones.dtype == torch.float32 and ones.shape[1] <= PIECE  # all counts up to there are float32 numbers
    return ones.sum(1, dtype=None if whole else wide(ones)).to(wide(ones))


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
