"""The first-symbol task: nothing but the first step says what to answer, and the seed fixes all of it."""

from __future__ import annotations

import torch

from gradtui.lab import data


def test_the_symbol_is_shown_once_and_noise_follows() -> None:
    task = data.load("first_symbol", 3)
    assert task.train_x.shape == (25_600, 30, 4)
    assert task.classes == 4
    assert torch.equal(task.train_x[:, 0].argmax(1), task.train_y)
    assert torch.equal(task.train_x[:, 0].sum(1), torch.ones(25_600))
    later = task.train_x[:, 1:]
    assert abs(later.std().item() - 0.2) < 0.002
    means = torch.stack([later[task.train_y == symbol].mean((0, 1)) for symbol in range(4)])
    assert means.abs().max() < 0.005  # a leak of the symbol into any later step would let a short memory solve it


def test_all_symbols_are_as_likely_in_both_parts() -> None:
    task = data.load("first_symbol", 3)
    for symbols in (task.train_y, task.test_y):
        shares = torch.bincount(symbols, minlength=4) / len(symbols)
        assert (shares - 0.25).abs().max() < 0.05


def test_the_seed_fixes_the_sequences() -> None:
    first, again, other = (data.load("first_symbol", seed) for seed in (1, 1, 2))
    assert torch.equal(first.train_x, again.train_x)
    assert torch.equal(first.test_x, again.test_x)
    assert not torch.equal(first.train_x, other.train_x)
