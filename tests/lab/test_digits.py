"""The shipped digits are the real ones, scaled as the theory of the profile at initialisation needs them."""

from __future__ import annotations

import itertools

import torch

from gradtui.lab import data


def test_the_digits_are_scaled_to_unit_power_with_no_pixel_mean() -> None:
    digits = data.load("digits")
    assert digits.train_x.shape == (1437, 64)
    assert digits.test_x.shape == (360, 64)
    torch.testing.assert_close(digits.train_x.mean(0), torch.zeros(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(digits.train_x.pow(2).mean(), torch.tensor(1.0), atol=1e-5, rtol=0)


def test_the_digits_are_all_there() -> None:
    digits = data.load("digits")
    counts = torch.bincount(torch.cat([digits.train_y, digits.test_y]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as the data set's own description counts them


def test_batches_are_fixed_by_the_seed_and_cover_an_epoch_without_repeats() -> None:
    digits = data.load("digits")
    first = list(itertools.islice(digits.batches(64, seed=1), 22))
    again = list(itertools.islice(digits.batches(64, seed=1), 22))
    other = next(digits.batches(64, seed=2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], other[0])
    seen = torch.cat([x for x, _ in first])
    assert len(seen) == 1408
    assert len(torch.unique(torch.cat([seen, digits.train_x]), dim=0)) == len(torch.unique(digits.train_x, dim=0))
    assert not torch.equal(first[0][0], next(itertools.islice(digits.batches(64, seed=1), 22, None))[0])
