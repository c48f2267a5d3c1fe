"""A Swiss roll seen from above: a curled line in the plane, the toy that WGAN critics are compared on (Gulrajani 2017).

A generator that has learnt it draws points along the line, which no affine map of Gaussian noise does.
"""

from __future__ import annotations

import math

import torch

from gradtui.lab.data.dataset import Dataset

TRAIN, TEST = 8192, 1024
NOISE = 0.25
"""Of the roll's own radius, 1.5π to 4.5π, as Gulrajani's code has it."""


def load(seed: int) -> Dataset:
    """Points [N, 2] of unit r.m.s., drawn from `seed`; their targets [N, 1] are how far along the roll they lie."""
    generator = torch.Generator().manual_seed(seed)
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(TRAIN + TEST, 1, generator=generator))
    points = torch.cat([angle * angle.cos(), angle * angle.sin()], dim=1)
    points += NOISE * torch.randn(points.shape, generator=generator)
    points /= points[:TRAIN].pow(2).mean().sqrt()
    return Dataset(points[:TRAIN], angle[:TRAIN], points[TRAIN:], angle[TRAIN:], classes=0)
