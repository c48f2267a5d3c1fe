"""A frame's copy of the weights is bounded, and what it says of sampled weights is what their rows say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradtui.probe import reduce, weights
from gradtui.probe.packing import WIDTH, Packing
from tests.probe.steps import LR, gradient, linear, probed, take_frame


class Cloned(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the bytes of all clones."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.clone.default:
            self.bytes += args[0].numel() * args[0].element_size()
        return func(*args, **(kwargs or {}))


def test_beyond_the_cap_evenly_spaced_rows_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(200, 100), nn.Tanh(), nn.Linear(100, 100), nn.Linear(100, 20)), torch.randn(8, 200)
    monkeypatch.setattr(weights, "MOST_COPIED", 32_000 * 4 // 4)  # of 32,000 weights
    probe = probed(model, lambda: model(x).square().mean())
    before = [linear(model, index).weight.detach().clone() for index in (0, 2, 3)]
    fields = take_frame(probe, model, lambda: model(x).square().mean())
    found = fields["update_ratio"]
    for index, weight, ratio, norm in zip((0, 2, 3), before, found, fields["weight_norm"], strict=True):
        moved, rows = LR * gradient(linear(model, index).weight)[::4].double(), weight[::4].double()
        assert ratio == pytest.approx(float(moved.norm() / rows.norm()), rel=1e-3)
        assert norm == pytest.approx(float(weight.double().norm()), rel=1e-6), "the norm is of all of it"


def test_no_more_is_copied_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 301)), torch.randn(2, 300)
    monkeypatch.setattr(weights, "MOST_COPIED", 100_000)
    probe = probed(model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    with Cloned() as cloned:
        probe.before_update()
    assert 0 < cloned.bytes <= 100_000


@pytest.mark.parametrize("block", [WIDTH, 3 * WIDTH, 10**6])
@pytest.mark.parametrize(
    "shapes", [[(63,), (1,), (9, 30), (64,), (65,), (2,)], [(5,), (3, 7), (7, 3), (9,), (9,), (9,), (), (4, 4), (4, 4), (63,)]], ids=str
)
def test_packed_tensors_have_their_own_norms_whatever_the_block(shapes: list[tuple[int, ...]], block: int) -> None:
    """Blocks share their memory: what one leaves behind must not be in the next one's rows."""
    torch.manual_seed(1)
    tensors = [torch.randn(shape) * 10.0 ** (size % 6) for size, shape in enumerate(shapes)]
    packing = Packing(tensors, torch.float32, block)
    for scale in (1e3, 1.0):
        now = [tensor * scale for tensor in tensors]
        assert packing.norms(now).tolist() == pytest.approx([float(tensor.double().norm()) for tensor in now], rel=1e-6)


@pytest.mark.parametrize("shape", [(20, 30), (100, 100)], ids=["packed", "by itself"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_subnormal_entries_are_counted_apart_from_zeros_and_normal_ones(shape: tuple[int, int], dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).tiny
    values = torch.zeros(shape, dtype=torch.float64)
    flat = values.view(-1)
    flat[:100] = tiny
    flat[100:150] = -tiny / 2
    flat[150:170] = tiny / 4
    flat[170:180] = -3.0
    flat[180] = math.nan
    flat[181] = -math.inf
    model = nn.Linear(shape[1], shape[0], bias=False).to(dtype)
    probe = probed(model, lambda: model(torch.ones(1, shape[1], dtype=dtype)).sum())
    model.weight.grad = values.to(dtype)
    probe.arm()
    probe.measure_gradients()
    fields = probe.collect()
    assert fields["grad_subnormal"] == [pytest.approx(70 / flat.numel(), rel=1e-6)]
    assert fields["grad_zero"] == [pytest.approx(1 - 182 / flat.numel(), rel=1e-6)]
    assert fields["grad_nonfinite"] == [2]


@pytest.mark.parametrize("limit", [2.0**-14 / 1024, torch.tensor(2.0**-14 / 1024)], ids=["number", "on the device"])
def test_with_a_loss_scale_the_limit_is_what_was_subnormal_in_the_scaled_gradient(limit: reduce.Limit) -> None:
    model = nn.Linear(4, 2, bias=False)
    probe = probed(model, lambda: model(torch.ones(1, 4)).sum())
    model.weight.grad = torch.tensor([[1.0, 2.0**-14, 2.0**-24, 2.0**-25], [0.0, -(2.0**-30), 0.0, -1.0]])
    probe.arm()
    probe.measure_gradients(limit)
    assert probe.collect()["grad_subnormal"] == [2 / 8]
