"""Sequence tasks made from the seed, for networks that are unrolled in time.

`first_symbol` is the long-lag task in its barest form: a symbol is shown once, noise follows, and at the end the symbol
has to be named. Nothing but the first step helps, so what is learned is what the gradient carries all the way back.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gradtui.lab.data.dataset import Dataset

SYMBOLS = 4
LENGTH = 30
"""Time steps of a sequence: the lag is one less."""
NOISE = 0.2
"""Standard deviation of the distraction. It is in the symbol's own channels: in one of its own, Adam would scale up what is left
of the symbol's gradient there, however small, and the lag would be no obstacle."""
TRAIN = 25_600
"""400 batches of 64 without a repeat: on a few thousand sequences seen again and again, networks learn that else do not."""
TEST = 1000


def first_symbol(seed: int) -> Dataset:
    """Sequences [N, 30, 4]: the symbol, one-hot, at t = 0; noise in every channel at each later t."""
    generator = torch.Generator().manual_seed(seed)
    train_x, train_y = _recall(TRAIN, generator)
    test_x, test_y = _recall(TEST, generator)
    return Dataset(train_x, train_y, test_x, test_y, classes=SYMBOLS)


def _recall(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    symbols = torch.randint(SYMBOLS, (count,), generator=generator)
    x = NOISE * torch.randn(count, LENGTH, SYMBOLS, generator=generator)
    x[:, 0] = F.one_hot(symbols, SYMBOLS)
    return x, symbols
