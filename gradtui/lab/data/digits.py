"""The UCI optical digits: real handwriting, small enough to ship with the package (see ATTRIBUTION.md).

Scaled so that |x|²/64 = 1 on average (per-pixel mean removed, one global r.m.s.), which is what the mean-field theory
of the profile at initialisation assumes of its input.
"""

from __future__ import annotations

import gzip
from importlib import resources

import torch

from gradtui.lab.data.dataset import Dataset

IMAGES = 1797
TRAIN = 1437
RECORD = 65
"""Bytes an image: 64 pixels and its digit."""


def load() -> Dataset:
    """1,437 training and 360 test images, [N, 64] float32, always the same split."""
    packed = gzip.decompress(resources.files(__package__).joinpath("digits.u8.gz").read_bytes())
    table = torch.frombuffer(bytearray(packed), dtype=torch.uint8).reshape(IMAGES, RECORD)
    table = table[torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))]
    pixels, digits = table[:, :64].float(), table[:, 64].long()
    pixels -= pixels[:TRAIN].mean(0)
    pixels /= pixels[:TRAIN].pow(2).mean().sqrt()
    return Dataset(pixels[:TRAIN], digits[:TRAIN], pixels[TRAIN:], digits[TRAIN:], classes=10, image=(1, 8, 8))
