"""How many units of a layer differ, against the definition in float64, and what it says nothing about."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe.symmetry import SAMPLE
from tests.probe.steps import probed, take_frame


def by_hand(weight: Tensor) -> float:
    """n² / Σ cos² over the sampled rows, from the definition."""
    rows = weight.detach().double().flatten(1)
    rows = rows[:: len(rows) // SAMPLE or 1][:SAMPLE]
    n = len(rows)
    cosines = [[float(torch.dot(rows[i], rows[j]) / (rows[i].norm() * rows[j].norm())) for j in range(n)] for i in range(n)]
    return n * n / sum(c * c for row in cosines for c in row)


def measured(model: nn.Module, x: Tensor) -> list[float | None]:
    probe = probed(model, lambda: model(x).mean())
    return take_frame(probe, model, lambda: model(x).mean())["effective_units"]


def test_linear_layers_and_convolutions_agree_with_the_definition() -> None:
    """Equal shapes are taken together and others apart; one has fewer rows than are sampled, one is too large to be stacked."""
    torch.manual_seed(0)
    sizes = [(24, 40), (40, 40), (40, 40), (40, 300), (300, 300), (300, 9)]
    model = nn.Sequential(*[nn.Linear(i, o) for i, o in sizes])
    expected = [by_hand(layer.weight) for layer in model if isinstance(layer, nn.Linear)]  # before a step changes them
    assert measured(model, torch.randn(4, 24)) == pytest.approx(expected, rel=1e-5)
    image = nn.Sequential(nn.Conv2d(2, 12, 3), nn.Conv2d(12, 8, 3), nn.Flatten())
    expected = [by_hand(layer.weight) for layer in image if isinstance(layer, nn.Conv2d)]
    assert measured(image, torch.randn(2, 2, 8, 8)) == pytest.approx(expected, rel=1e-5)


def test_equal_units_are_one_unit_whatever_their_sign_and_size() -> None:
    model = nn.Linear(20, 32)
    signs = torch.tensor([1.0, -3.0]).repeat(16)
    with torch.no_grad():
        model.weight.copy_(signs[:, None] * torch.randn(20))
    assert measured(model, torch.randn(4, 20)) == pytest.approx([1.0], rel=1e-5)


def test_orthogonal_units_all_count_and_dead_ones_do_not() -> None:
    model = nn.Linear(16, 16)
    with torch.no_grad():
        model.weight.copy_(torch.eye(16))
        model.weight[:6] = 0
    assert measured(model, torch.randn(4, 16)) == pytest.approx([10.0], rel=1e-5)


def test_it_says_nothing_of_small_zero_frozen_or_broken_layers() -> None:
    """With few inputs healthy units look alike, and zeros have no direction."""
    few_inputs, few_units, zero, frozen, broken = (
        nn.Linear(15, 16),
        nn.Linear(16, 7),
        nn.Linear(7, 16),
        nn.Linear(16, 16),
        nn.Linear(16, 16),
    )
    model = nn.Sequential(few_inputs, few_units, zero, frozen, broken)
    with torch.no_grad():
        zero.weight.zero_()
        broken.weight[0, 0] = float("nan")
    frozen.requires_grad_(False)
    assert measured(model, torch.randn(4, 15)) == [None] * 5
    wide_zero = nn.Linear(16, 16)
    with torch.no_grad():
        wide_zero.weight.zero_()
    assert measured(wide_zero, torch.randn(4, 16)) == [None]
