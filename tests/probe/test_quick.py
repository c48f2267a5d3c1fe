"""The cheap norms of ordinary steps are right over the whole range of float32, whatever the step before was like."""

from __future__ import annotations

import math

import pytest
import torch

from gradtui.probe import reduce
from gradtui.probe.quick import quick_norms

SCALES = [1.0, 1e-30, 1e-30, 1e-35, 0.0, 0.0, 1.0, 1e25, 1e30, 1.0, 1e-10, 1e25, 1e-25]


@pytest.mark.parametrize("shape", [(16, 16), (300, 300)], ids=["packed", "each by itself"])
def test_norms_are_right_however_far_they_jump(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    base = [torch.randn(shape) * spread for spread in (1.0, 1e-3, 1e4)]
    batches = reduce.plan(base)
    assert [batch.packing is not None for batch in batches] == [shape == (16, 16)]
    (quick,) = quick_norms(base, batches)
    for scale in SCALES:
        tensors = [tensor * scale for tensor in base]
        expected = torch.stack([tensor.double().norm() for tensor in tensors])
        found = quick.measure(tensors)
        assert torch.allclose(found.double(), expected, rtol=1e-5, atol=0), scale


def test_each_of_many_tensors_is_scaled_by_its_own_power_of_two() -> None:
    torch.manual_seed(0)
    shapes = [(7, 5), (3,), (16, 16), (3,), (8, 8), (16, 16), (16, 16), (9,)]
    base = [torch.randn(shape) * 10.0**-decades for shape, decades in zip(shapes, (30, 0, 35, 26, 2, 1, 25, 0), strict=True)]
    (batch,) = reduce.plan(base)
    (quick,) = quick_norms(base, [batch])
    for scale in (1.0, 3.0, 1e-5, 1e20):
        tensors = [tensor * scale for tensor in base]
        for _ in range(2):
            found = dict(zip(batch.members, quick.measure(tensors).tolist(), strict=True))
            assert found == {index: pytest.approx(float(tensor.double().norm()), rel=1e-5) for index, tensor in enumerate(tensors)}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_not_finite_spoils_neither_its_neighbours_nor_the_next_step(bad: float) -> None:
    tensors = [torch.full((4, 4), 1e-25), torch.ones(4, 4)]
    (quick,) = quick_norms(tensors, reduce.plan(tensors))
    for _ in range(2):
        broken = [tensors[0], torch.full((4, 4), bad)]
        found = quick.measure(broken)
        assert found[0].item() == pytest.approx(4e-25)
        assert not math.isfinite(found[1].item())
        found = quick.measure(tensors)
        assert found.tolist() == pytest.approx([4e-25, 4.0])
