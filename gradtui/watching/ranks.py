"""Several processes that train one model: every one measures its own share, and rank 0 records what they are together.

Shares travel through the key-value store that the processes met at, never through a collective: a rank that dies, or that never
called `watch`, can then neither hang the others nor be waited for. Rank 0 says on which step the next frame is, some steps ahead,
because processes that train together are never further apart than that.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import torch.distributed as dist
from msgspec import Struct
from torch import nn

from gradtui.stream.events import Numbers

LOOK = 0.1
"""Seconds between two looks for rank 0's announcement, at most one a step."""
AHEAD = 5 * LOOK
"""Seconds between the decision on a frame's step and that step: every rank has looked by then."""
_PREFIX = "gradtui"
_UNTAKEN = 16
"""Shares that may lie in the store."""


class Share(Struct):
    """What one process has measured of a frame: its own shards, its own part of the batch."""

    fields: dict[str, Numbers]
    clipped: list[float | None]
    """For each optimizer; None: nothing was clipped."""
    loss: float | None
    local_norm: float | None = None
    """Of the gradients before they were averaged over the ranks."""


_decoder = msgspec.msgpack.Decoder(Share)


class Ranks:
    """This process among those that train with it. `started` counts the runs watched so far: each has its own keys in the store."""

    def __init__(self, store: Any, rank: int, size: int, started: int) -> None:
        self.rank = rank
        self.size = size
        self._store = store
        self._prefix = f"{_PREFIX}/{started}"
        self._published: deque[str] = deque()

    def publish(self, step: int, share: Share) -> None:
        """Hand a share to rank 0. Raises RuntimeError when rank 0 has not taken the last ones: the store must not fill up."""
        if len(self._published) == _UNTAKEN and self._store.check([self._published.popleft()]):
            raise RuntimeError("rank 0 does not record any more")
        self._published.append(self._key(step, self.rank))
        self._store.set(self._key(step, self.rank), msgspec.msgpack.encode(share))

    def complete(self, step: int) -> bool:
        """Whether every other rank's share of the frame is there."""
        return bool(self._store.check([self._key(step, rank) for rank in self._others]))

    def collect(self, step: int) -> dict[int, Share]:
        """The other ranks' shares of the frame that are there by now; they are forgotten."""
        keys = {rank: self._key(step, rank) for rank in self._others}
        there = {rank: key for rank, key in keys.items() if self._store.check([key])}
        found = {rank: _decoder.decode(self._store.get(key)) for rank, key in there.items()}
        for key in there.values():
            self._store.delete_key(key)
        return found

    def say_goodbye(self) -> None:
        """This rank's training is over, by its own account."""
        self._store.set(f"{self._prefix}/over/{self.rank}", b"")

    def unaccounted(self) -> list[int]:
        """The other ranks that have not said goodbye: they still train, or are dead."""
        return [rank for rank in self._others if not self._store.check([f"{self._prefix}/over/{rank}"])]

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank]

    def _key(self, step: int, rank: int) -> str:
        return f"{self._prefix}/{step}/{rank}"

    def announce(self, number: int, step: int) -> None:
        """Rank 0: the frame after the `number`-th is of `step`."""
        self._store.set(f"{self._prefix}/due/{number}", str(step))

    def announced(self, number: int) -> int | None:
        """The step that rank 0 has announced; None: not yet."""
        key = f"{self._prefix}/due/{number}"
        return int(self._store.get(key)) if self._store.check([key]) else None


_started = 0


def find() -> Ranks | None:
    """None when this process trains alone."""
    global _started
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return None
    _started += 1
    return Ranks(dist.distributed_c10d._get_default_store(), dist.get_rank(), dist.get_world_size(), _started)


def copies(parameters: Sequence[nn.Parameter], size: int) -> int:
    """How many of `size` processes hold the same entries of these parameters."""
    for parameter in parameters[:1]:
        if hasattr(parameter, "to_local"):
            placements = zip(parameter.placements, parameter.device_mesh.shape, strict=True)  # type: ignore[attr-defined]
            # Not is_shard(): of a shard's shards (FSDP over tensor parallelism) only some versions of torch say that they are any.
            shards: int = math.prod(extent for placement, extent in placements if not placement.is_replicate())
            return max(1, size // shards)
    return size


def join(shares: Mapping[int, Share], copies: Sequence[int], size: int) -> tuple[Share, dict[str, float]]:
    """One share for all of `size` ranks, and how far their gradients lie apart. Of those that are missing, their copies stand in."""
    held = [max(1, count - size + len(shares)) if count == size else count for count in copies]
    found = list(shares.values())
    losses = [share.loss for share in found if share.loss is not None]
    sharded = any(count < size for count in copies)
    clipped = [_clipped(column, 1 if sharded else len(found)) for column in zip(*(share.clipped for share in found), strict=True)]
    local = {rank: share.local_norm for rank, share in shares.items() if share.local_norm is not None}
    spread: dict[str, float] = {}
    if local:
        largest = max(local, key=lambda rank: math.inf if math.isnan(local[rank]) else local[rank])
        spread = {"rank_norm_min": min(local.values()), "rank_norm_max": local[largest], "rank_of_max": float(largest)}
    loss = sum(losses) / len(losses) if losses else None
    return Share(fields=together(found, held), clipped=clipped, loss=loss), spread


def _clipped(norms: Sequence[float | None], copies: int) -> float | None:
    present = [norm for norm in norms if norm is not None]
    return math.sqrt(sum(norm * norm for norm in present) / copies) if present else None


def together(shares: Sequence[Share], copies: Sequence[int]) -> dict[str, Numbers]:
    """The fields of the whole model on the whole batch; `copies`: for each row, how many shares hold the same entries.

    Exact for everything but `grad_norm_min`, `grad_norm_max` of shards (bounds: the extremes need not fall on one step) and `dead`
    (an upper bound: a unit that is dead for one rank's part of the batch may live on another's).
    """
    size = len(shares)
    columns = {name: list(zip(*(share.fields[name] for share in shares), strict=True)) for name in _common(shares)}
    found: dict[str, Numbers] = {}
    for name, rows in columns.items():
        found[name] = [
            _HOW[name](present, held, size) if (present := [v for v in row if v is not None]) else None
            for row, held in zip(rows, copies, strict=True)
        ]
    if "update_ratio" in columns and "weight_norm" in columns:
        changes = [
            [r * w for r, w in zip(*pair, strict=True) if r is not None and w is not None]
            for pair in zip(columns["update_ratio"], columns["weight_norm"], strict=True)
        ]
        norms = zip(changes, found["weight_norm"], copies, strict=True)
        found["update_ratio"] = [_root_sum(change, held, size) / norm if change and norm else None for change, norm, held in norms]
    if "activation_std" in columns and "activation_mean" in columns:
        pairs = zip(columns["activation_mean"], columns["activation_std"], found["activation_mean"], strict=True)
        found["activation_std"] = [_spread(means, deviations, mean) for means, deviations, mean in pairs]
    return found


def _common(shares: Sequence[Share]) -> list[str]:
    return [name for name in shares[0].fields if name in _HOW and all(share.fields.get(name) for share in shares)]


def _spread(means: Sequence[float | None], deviations: Sequence[float | None], mean: float | None) -> float | None:
    moments = [d * d + m * m for m, d in zip(means, deviations, strict=True) if m is not None and d is not None]
    return None if mean is None or not moments else math.sqrt(max(0.0, sum(moments) / len(moments) - mean * mean))


def _root_sum(values: Sequence[float], copies: int, size: int) -> float:
    return math.sqrt(sum(value * value for value in values) / copies)


def _mean(values: Sequence[float], copies: int, size: int) -> float:
    return sum(values) / len(values)


def _largest(values: Sequence[float], copies: int, size: int) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def _smallest(values: Sequence[float], copies: int, size: int) -> float:
    return math.nan if any(map(math.isnan, values)) else min(values)


_HOW: Mapping[str, Callable[[Sequence[float], int, int], float]] = {
    # δ of the loss that is averaged over the ranks, over the batches of all.
    "delta_rms": lambda values, copies, size: math.sqrt(sum(value * value for value in values) / len(values)) / size,
    "grad_norm": _root_sum,
    "grad_norm_min": _root_sum,
    "grad_norm_max": _root_sum,
    "grad_rms": _root_sum,
    "grad_max": _largest,
    "grad_zero": lambda values, copies, size: 1 - sum(1 - value for value in values) / copies,
    "grad_subnormal": lambda values, copies, size: sum(values) / copies,
    "grad_nonfinite": lambda values, copies, size: sum(values) / copies,
    "weight_norm": _root_sum,
    "update_ratio": _mean,
    # Of a layer's shards: one whose units are all alike must not be averaged away.
    "effective_units": _smallest,
    "activation_mean": _mean,
    "activation_std": _mean,
    "saturated": _mean,
    "dead": _smallest,
}
