"""What happened between two frames is in the second one's extremes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.probe.steps import column, probed, take_frame, take_step


def network() -> tuple[nn.Sequential, Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(5, 3)


@pytest.mark.parametrize("steps", [1, 20, 150])
def test_a_spike_of_one_step_is_the_maximum_and_is_forgotten_after_the_frame(steps: int) -> None:
    model, x = network()
    probe = probed(model, lambda: model(x).mean())
    for step in range(steps):
        scale = {steps // 3: 1e-6, steps // 2: 1e6}.get(step, 1.0)
        take_step(probe, model, lambda scale=scale: model(x).mean() * scale, lr=0.0)  # type: ignore[misc]
    fields = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)
    now = [value for value in fields["grad_norm"] if value is not None]
    assert fields["grad_norm_max"] == pytest.approx([value * 1e6 for value in now], rel=1e-4)
    low = 1.0 if steps == 1 else 1e-6
    assert fields["grad_norm_min"] == pytest.approx([value * low for value in now], rel=1e-4)
    fields = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)
    assert fields["grad_norm_min"] == fields["grad_norm_max"] == fields["grad_norm"]


def test_one_nan_between_frames_is_the_worst_seen() -> None:
    model, x = network()
    probe = probed(model, lambda: model(x).mean())
    take_step(probe, model, lambda: model(x).mean(), lr=0.0)
    take_step(probe, model, lambda: model(x).mean() * math.nan, lr=0.0)
    model.load_state_dict(network()[0].state_dict())
    take_step(probe, model, lambda: model(x).mean(), lr=0.0)
    fields = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)
    assert all(math.isfinite(value or 0) for value in fields["grad_norm"])
    assert all(math.isnan(value or 0) for value in fields["grad_norm_max"])
    assert all(math.isnan(value or 0) for value in fields["grad_norm_min"])


def test_a_step_without_a_gradient_is_no_step_of_norm_zero() -> None:
    model, x = network()
    probe = probed(model, lambda: model(x).mean())
    head = model[2]
    take_step(probe, model, lambda: model(x).mean(), lr=0.0)
    take_step(probe, model, lambda: head(torch.ones(1, 4)).mean() * 100, lr=0.0)
    fields = take_frame(probe, model, lambda: head(torch.ones(1, 4)).mean(), lr=0.0)
    first = column(probe, fields, "0")
    assert first["grad_norm"] is None
    assert first["grad_norm_min"] == first["grad_norm_max"]
    assert (first["grad_norm_min"] or 0) > 0
    assert take_frame(probe, model, lambda: head(torch.ones(1, 4)).mean(), lr=0.0)["grad_norm_max"][0] is None


def test_extremes_hold_for_gradients_whose_squares_underflow() -> None:
    model, x = network()
    probe = probed(model, lambda: model(x).mean())
    expected = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)["grad_norm"]
    take_step(probe, model, lambda: model(x).mean() * 1e-30, lr=0.0)
    smallest = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)["grad_norm_min"]
    assert smallest == pytest.approx([(value or 0) * 1e-30 for value in expected], rel=1e-3)


def test_rows_that_come_and_go_do_not_mix_up_the_others_extremes() -> None:
    model, x = network()
    probe = probed(model, lambda: model(x).mean())
    take_step(probe, model, lambda: model(x).mean() * 1e3, lr=0.0)
    longer = nn.Sequential(model[0], model[1], nn.Linear(4, 4), nn.Tanh(), model[2])
    model[2] = nn.Linear(4, 4)
    model.extend([nn.Tanh(), longer[4]])
    with probe.discovering():
        model(x)
    fields = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)
    ratios = [high / now if high and now else None for high, now in zip(fields["grad_norm_max"], fields["grad_norm"], strict=True)]
    assert [layer.name for layer in probe.layers] == ["0", "2", "4"]
    assert (ratios[0] or 0) > 100, "it was there before, by this name"
    assert ratios[2] == 1, "it was not"
