"""Norms that the loop has taken itself, step after step.

A loop that clips takes its gradients' norms, in float32 on a CPU: they cost nothing but a look at whether float32 held them. One that is
too small for that is known to be just that. Taking it in float64 as well would cost a network whose gradient vanishes as much as all its
norms, on every step, and is done on some of them: no spike is missed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

import torch
from torch import Tensor

from gradtui.probe.quick import HIGHEST, LOWEST, held
from gradtui.probe.reduce import Batch, members, members_of

_MOST = 2**16
"""Entries up to which `torch._foreach_norm` is right to 4e-6: it adds them up one after the other."""
_EXACT_EVERY = 8
"""Steps from one on which norms that are too small are left to be taken exactly to the next."""
TOO_SMALL = -0.0
"""Stands for such a norm on the steps between."""


@dataclass(frozen=True)
class Known:
    """2-norms of tensors as they stand, which somebody else has taken, in the tensors' own dtype."""

    tensors: Sequence[Tensor]
    norms: Tensor
    """One number each."""


class OverheardNorms:
    """What is known of the tensors of `batches`, in lists like `tensors`."""

    def __init__(self, tensors: Sequence[Tensor | None], batches: Sequence[Batch]) -> None:
        knowable = [batch for batch in batches if _knowable(members_of(tensors, batch))]
        self._members = members(knowable)
        self._sizes = [len(batch.members) if batch in knowable else 0 for batch in batches]
        self._places: list[int] = []
        """Of those members among the tensors whose norms were known last."""
        self._index = torch.empty(0, dtype=torch.int64, device="cpu")
        """The same."""
        self._among = -1
        """How many those tensors were; -1: not all of the members."""
        self._since_exact = 0
        """Steps on which some norms were known to be too small."""

    def find(self, tensors: Sequence[Tensor | None], known: Known) -> list[Tensor | None]:
        """The norms of each batch, in float32; None: they must be taken."""
        found = self._among_known([tensors[index] for index in self._members], known) if self._members and known.norms.is_cpu else None
        if found is None:
            return [None] * len(self._sizes)
        return [part if size else None for part, size in zip(found.split_with_sizes(self._sizes), self._sizes, strict=True)]

    def _among_known(self, chosen: Sequence[Tensor | None], known: Known) -> Tensor | None:
        if len(known.tensors) != self._among or not all(map(is_, chosen, [known.tensors[place] for place in self._places])):
            place_of = {id(tensor): place for place, tensor in enumerate(known.tensors)}
            self._places = [place_of.get(id(tensor), -1) for tensor in chosen]
            if -1 in self._places:
                self._among = -1
                return None
            self._among, self._index = len(known.tensors), torch.tensor(self._places, device="cpu")
        found = known.norms.index_select(0, self._index)
        values = found.tolist()
        if held(values):
            return found
        due = self._since_exact % _EXACT_EVERY == 0
        self._since_exact += 1
        return None if due or not max(values) < HIGHEST else torch.threshold_(found, LOWEST, TOO_SMALL)


def _knowable(tensors: Sequence[Tensor]) -> bool:
    plain = tensors[0].dtype == torch.float32 and tensors[0].device.type == "cpu" and tensors[0].layout == torch.strided
    return plain and all(tensor.numel() <= _MOST for tensor in tensors)
