"""The data that is made: the seed fixes it, and it holds what its scenario is about."""

from __future__ import annotations

import pytest
import torch

from gradtui.lab import data
from gradtui.lab.data import tokens


@pytest.mark.parametrize("name", ["spirals", "tokens"])
def test_the_seed_fixes_the_data_whatever_was_drawn_before(name: str) -> None:
    first = data.load(name, 3)
    torch.rand(5)
    again, other = data.load(name, 3), data.load(name, 4)
    assert torch.equal(first.train_x, again.train_x)
    assert torch.equal(first.test_y, again.test_y)
    assert not torch.equal(first.train_x, other.train_x)


def test_the_spirals_are_one_turned_by_half_a_turn() -> None:
    """A point of one class, turned, lies among the other's and not among its own."""
    spirals = data.load("spirals")
    points, labels = spirals.train_x, spirals.train_y
    nearest = torch.cdist(-points[labels == 0], points).topk(3, largest=False).indices
    assert labels[nearest].float().mean() > 0.98
    assert points.pow(2).mean().item() == pytest.approx(1, abs=1e-5)


def test_no_line_tells_the_spirals_apart() -> None:
    spirals = data.load("spirals")
    x = torch.cat([spirals.train_x, torch.ones(len(spirals.train_x), 1)], 1)
    weights = torch.linalg.lstsq(x, spirals.train_y.float()[:, None] - 0.5).solution
    assert ((x @ weights > 0).flatten() == (spirals.train_y == 1)).float().mean() < 0.7


def test_tokens_follow_zipf_and_the_label_is_balanced() -> None:
    sentences = data.load("tokens", 1)
    assert sentences.train_x.shape == (tokens.TRAIN, tokens.LENGTH)
    both = torch.cat([sentences.train_y, sentences.test_y])
    assert both.float().mean().item() == 0.5
    counts = torch.bincount(torch.cat([sentences.train_x, sentences.test_x]).flatten(), minlength=tokens.VOCABULARY).double()
    ranks = torch.arange(1, 101).double()
    x, y = ranks.log(), counts[:100].log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).pow(2).sum()
    assert slope.item() == pytest.approx(-tokens.EXPONENT, abs=0.15)


def test_the_most_frequent_tokens_say_nothing_and_the_rarer_ones_all() -> None:
    """The label is the sign of a sum of one number a token, 0 for the frequent ones: a linear fit finds that."""
    sentences = data.load("tokens", 0)
    x = torch.cat([sentences.train_x, sentences.test_x])
    counts = torch.zeros(len(x), tokens.VOCABULARY).scatter_add_(1, x, torch.ones(x.shape))
    y = torch.cat([sentences.train_y, sentences.test_y]).float() * 2 - 1
    ridge = torch.linalg.solve(counts.T @ counts + 0.1 * torch.eye(tokens.VOCABULARY), counts.T @ y)
    assert (torch.sign(counts @ ridge) == y).float().mean() > 0.97
    assert ridge[: tokens.COMMON].abs().max() < 0.5 * ridge[tokens.COMMON : 10].abs().min()
