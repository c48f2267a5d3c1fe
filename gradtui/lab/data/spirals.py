"""Two interleaved spirals: two classes that no nearly linear network can tell apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradtui.lab.data.dataset import Dataset

TRAIN, TEST = 2000, 1000
TURNS = 1.5
NOISE = 0.02
"""Of a radius of 1."""


def load(seed: int) -> Dataset:
    """Points [N, 2] of unit r.m.s., their classes 0 and 1; drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    x, y = _points(TRAIN + TEST, generator)
    x /= x[:TRAIN].pow(2).mean().sqrt()
    return Dataset(x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:], classes=2)


def _points(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The two spirals are one, turned by half a turn; points are spread evenly over the area, not over the turns."""
    y = torch.randint(2, (count,), generator=generator)
    radius = torch.rand(count, generator=generator).sqrt()
    angle = 2 * math.pi * TURNS * radius + math.pi * y
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return x + NOISE * torch.randn(x.shape, generator=generator), y
