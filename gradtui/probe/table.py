"""From one number a tensor on the device to one number a layer on the host.

The parts of a frame put what they measured on one `Sheet`; each hands back a `Reader`, which makes sense of its share once the
sheet has been fetched. So a frame costs one copy, however many layers it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from gradtui.probe.reduce import wide
from gradtui.stream.events import Numbers

Reader = Callable[[list[float]], dict[str, Numbers]]
"""Fetched numbers -> fields of `Frame`."""


class Sheet:
    """Numbers on their way to the host: collected on the device, copied once."""

    def __init__(self) -> None:
        self._pieces: list[Tensor] = []
        self._length = 0

    def put(self, values: Tensor) -> slice:
        """Add values of any shape and real type; returns where they will be in what `fetch` returns."""
        start = self._length
        self._length += values.numel()
        self._pieces.append(values.detach().reshape(-1).to(wide(values)))
        return slice(start, self._length)

    def put_all(self, vectors: Iterable[Tensor]) -> slice:
        """Add several, one after the other."""
        start, found = self._length, list(vectors)
        kinds = {(vector.dtype, vector.device, vector.ndim) for vector in found}
        if len(kinds) == 1 and found[0].ndim == 0:
            found = [torch.stack(found)]  # one by one they would cost more than all the rest of a frame
        for vector in found:
            self.put(vector)
        return slice(start, self._length)

    def send(self) -> Copy:
        """Start the only device-to-host copy, of all values."""
        if not self._pieces:
            return Copy(torch.empty(0, device="cpu"))
        # Not the host where there is a device: what is fetched without waiting is not there yet when it is put together.
        device = next((piece.device for piece in self._pieces if piece.device.type != "cpu"), self._pieces[0].device)
        return Copy(torch.cat([piece.to(device, non_blocking=True) for piece in self._pieces]))


class Copy:
    """Numbers on their way to the host. On CUDA nobody waits for them unless `read` is called before `ready`."""

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._arrived: torch.cuda.Event | None = None
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, device="cpu", pin_memory=True).copy_(values, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(values.device))  # the loop's current device may be another

    @property
    def ready(self) -> bool:
        return self._arrived is None or bool(self._arrived.query())  # type: ignore[no-untyped-call]

    def read(self) -> list[float]:
        if self._arrived is not None:
            self._arrived.synchronize()
        numbers: list[float] = self._values.tolist()
        return numbers


def by_row(values: Iterable[tuple[int, float]], row_of: Sequence[int], rows: int, combine: Callable[[Sequence[float]], float]) -> Numbers:
    """Combine the (tensor, value) pairs of each row's tensors; a row of which no tensor has a value gets None."""
    found: list[list[float]] = [[] for _ in range(rows)]
    for index, value in values:
        found[row_of[index]].append(value)
    return [combine(numbers) if numbers else None for numbers in found]


def over(numbers: Numbers, others: Numbers, ratio: Callable[[float, float], float]) -> Numbers:
    """Row by row, None where either is."""
    pairs = zip(numbers, others, strict=True)
    return [None if above is None or below is None else ratio(above, below) for above, below in pairs]


def root_sum_square(values: Sequence[float]) -> float:
    return abs(values[0]) if len(values) == 1 else math.sqrt(sum([value * value for value in values]))


def worst(values: Sequence[float]) -> float:
    """The largest; NaN if any is."""
    return math.nan if any(math.isnan(value) for value in values) else max(values)


def rounded(fields: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """To seven significant digits: what float32 holds, and all that a recording needs."""
    found: dict[str, Numbers] = {}
    for name, numbers in fields.items():
        present = tuple([number for number in numbers if number is not None])
        digits = map(float, ("%.7g " * len(present) % present).split())  # several times as fast as one by one
        found[name] = list(digits) if len(present) == len(numbers) else [None if number is None else next(digits) for number in numbers]
    return found
