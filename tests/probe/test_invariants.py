"""Identities that hold exactly at any step of training, read off the probe's own numbers.

A step of plain SGD gives ‖W'‖² = ‖W‖² − 2·lr·⟨W, g⟩ + ‖ΔW‖², so two frames' weight_norm and the first one's update_ratio say
what ⟨W, g⟩ was. Wrong hooks, gradients clipped before they are measured and a regulariser's share all break the identities.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe import Probe
from tests.probe.steps import column, probed, take_frame, take_step


class Bias(nn.Module):
    """A layer's bias as a module, and so a row, of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(0.3 * torch.randn(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def data() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(64, 10), torch.randint(0, 4, (64,))


def radial_parts(probe: Probe, model: nn.Module, x: Tensor, y: Tensor, lr: float) -> dict[str, float]:
    """⟨W, g⟩ of every row, from a step with `lr` and the weights' norms after it."""

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(x), y)

    before = take_frame(probe, model, loss, lr)
    after = take_frame(probe, model, loss, 0.0)
    found = {}
    for layer in probe.layers:
        numbers = {name: value or 0.0 for name, value in column(probe, before, layer.name).items()}
        norm, new = numbers["weight_norm"], column(probe, after, layer.name)["weight_norm"] or 0.0
        step = numbers["update_ratio"] * norm
        assert step == pytest.approx(lr * numbers["grad_norm"], rel=1e-5)
        found[layer.name] = (norm * norm + step * step - new * new) / (2 * lr)
    return found


@pytest.mark.parametrize("steps", [0, 30])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)], ids=["relu", "leaky"])
def test_homogeneous_layers_hand_down_the_same_radial_gradient(activation: nn.Module, steps: int) -> None:
    """⟨W_{l+1}, g_{l+1}⟩ = ⟨W_l, g_l⟩ + ⟨b_l, g_{b_l}⟩ (Du et al. 2018, with biases)."""
    (x, y), depth = data(), 5
    blocks = [[nn.Linear(10 if layer == 0 else 16, 16, bias=False), Bias(16), activation] for layer in range(depth)]
    model = nn.Sequential(*[module for block in blocks for module in block], nn.Linear(16, 4, bias=False)).double()
    probe = probed(model, lambda: model(x.double()).mean())
    for _ in range(steps):
        take_step(probe, model, lambda: nn.functional.cross_entropy(model(x.double()), y), lr=0.3)
    inner = radial_parts(probe, model, x.double(), y, lr=30.0)  # so large that the norms' seven digits are enough
    for layer in range(depth - 1):
        assert inner[str(3 * layer + 3)] == pytest.approx(inner[str(3 * layer)] + inner[str(3 * layer + 1)], rel=1e-4, abs=1e-5)


def test_a_weight_before_batch_norm_has_no_radial_gradient() -> None:
    """The loss does not change with the scale of W, so cos(W, g) = 0."""
    x, y = data()
    model = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16, eps=1e-12), nn.Tanh(), nn.Linear(16, 4)).double()
    probe = Probe(model)
    with probe.discovering():
        model(x.double())
    fields = take_frame(probe, model, lambda: nn.functional.cross_entropy(model(x.double()), y), lr=300.0)
    norm, ratio = (column(probe, fields, "0")[name] or 0.0 for name in ("weight_norm", "update_ratio"))
    after = take_frame(probe, model, lambda: model(x.double()).mean(), lr=0.0)
    cosine = (1 + ratio * ratio - ((column(probe, after, "0")["weight_norm"] or 0.0) / norm) ** 2) / (2 * ratio)
    assert ratio > 1, "a large step, or seven digits would hide the angle"
    assert math.isclose(cosine, 0, abs_tol=1e-5)
