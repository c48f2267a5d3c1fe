"""What a scenario trains on: tensors in memory, and batches of them in an order that the seed fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """A data set, whole, in memory."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int
    """How many; 0: the targets are numbers (regression)."""
    image: tuple[int, int, int] | None = None
    """Channels, height and width, where a row of x is an image."""

    @property
    def outputs(self) -> int:
        """How many numbers a network must give for a row: one a class, or one a target."""
        return self.classes or self.train_y[0].numel()

    def to(self, device: torch.device) -> Dataset:
        """The same on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("train_x", "train_y", "test_x", "test_y")}
        return replace(self, **moved)

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of `size` for ever, reshuffled every epoch in an order fixed by `seed`; the remainder is left out."""
        generator = torch.Generator().manual_seed(seed)
        count = len(self.train_x)
        size = min(size, count)
        while True:
            order = torch.randperm(count, generator=generator).to(self.train_x.device)
            for start in range(0, count - size + 1, size):
                chosen = order[start : start + size]
                yield self.train_x[chosen], self.train_y[chosen]
