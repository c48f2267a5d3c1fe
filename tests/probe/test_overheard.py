"""Norms that the loop has taken itself stand in for ours where float32 held them, and for nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe import Probe, reduce
from gradtui.probe.overheard import Known, OverheardNorms


def known_of(tensors: Sequence[Tensor]) -> Known:
    """Ten times too large, so that it shows whether they were taken."""
    return Known(list(tensors), torch.tensor([10 * float(tensor.norm()) for tensor in tensors]))


def test_what_is_known_is_taken_for_these_tensors_only() -> None:
    tensors = [torch.randn(shape) for shape in ((30, 20), (20,), (100, 50), (100, 100))]
    batches = reduce.plan(tensors)
    assert len(batches) == 2
    overheard = OverheardNorms(tensors, batches)
    expected = [torch.stack([10 * tensors[place].norm() for place in batch.members]) for batch in batches]
    for everything in (tensors, [torch.randn(5), *reversed(tensors)], [*tensors, torch.randn(5)], tensors):
        found = overheard.find(tensors, known_of(everything))
        assert all(norms is not None and torch.allclose(norms, right) for norms, right in zip(found, expected, strict=True))
    later = [tensor.clone() for tensor in tensors]
    for something in (later, tensors[:2], tensors[1:], []):
        assert overheard.find(tensors, known_of(something)) == [None, None]
    assert overheard.find([None, *tensors[1:]], known_of(tensors)) == [None, None]


@pytest.mark.parametrize(
    "other", [torch.ones(40).bfloat16(), torch.ones(40).double(), torch.ones(2**17)], ids=["bfloat16", "float64", "many"]
)
def test_of_tensors_whose_norms_are_not_taken_well_enough_nothing_is_known(other: Tensor) -> None:
    tensors = [torch.ones(40), other]
    (own, theirs) = OverheardNorms(tensors, reduce.plan(tensors)).find(tensors, known_of(tensors))
    assert own is not None
    assert own.tolist() == pytest.approx([10 * math.sqrt(40)])
    assert theirs is None


@pytest.mark.parametrize("value", [1e25, math.inf, math.nan])
def test_what_is_too_large_for_float32_is_left_to_be_taken(value: float) -> None:
    tensors = [torch.full((4,), value), torch.full((4,), 1e-25)]
    overheard = OverheardNorms(tensors, reduce.plan(tensors))
    assert [overheard.find(tensors, known_of(tensors)) for _ in range(10)] == [[None]] * 10


def clipped(model: nn.Module, scale: float) -> tuple[Known, list[float]]:
    """What a loop that clips knows of gradients as large as `scale`, and the rows' true norms."""
    torch.manual_seed(round(1e6 * math.log(scale)))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) * scale
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norms = [float(gradient.double().norm()) for gradient in gradients]
    return Known(gradients, torch.stack(torch._foreach_norm(gradients, 2))), [math.hypot(*norms[:2]), math.hypot(*norms[2:])]


def test_a_norm_that_is_too_small_is_taken_now_and_then_and_a_spike_at_once() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    probe = Probe(model)
    scales = [1e-25] * 20
    scales[13] = 1e-3
    true = []
    for scale in scales:
        known, norms = clipped(model, scale)
        probe.measure_gradients(known=known)
        true.append(norms)
    probe.arm(forward=False)
    known, norms = clipped(model, 1e-25)
    probe.measure_gradients(known=known)
    frame = probe.collect()
    exact = [step for step in range(20) if step in (0, 8, 17)]  # every eighth of those that were too small; the spike was none
    for row in range(2):
        measured = [true[step][row] for step in (*exact, 13)] + [norms[row]]
        assert frame["grad_norm_min"][row] == pytest.approx(min(measured), rel=1e-5, abs=0)
        assert frame["grad_norm_max"][row] == pytest.approx(true[13][row], rel=1e-5)
        assert frame["grad_norm"][row] == pytest.approx(norms[row], rel=1e-5, abs=0)


def test_a_row_of_which_one_tensor_is_too_small_has_the_norm_of_the_other() -> None:
    model = nn.Linear(8, 8)
    probe = Probe(model)
    true = []
    for step in range(6):
        model.weight.grad = torch.full((8, 8), float(step + 1))
        model.bias.grad = torch.full((8,), 1e-25)
        known = Known([model.weight.grad, model.bias.grad], torch.tensor([8.0 * (step + 1), 0.0]))
        probe.measure_gradients(known=known)
        true.append(8.0 * (step + 1))
    probe.arm(forward=False)
    probe.measure_gradients()
    frame = probe.collect()
    assert (frame["grad_norm_min"], frame["grad_norm_max"]) == ([min(true)], [max(true)])
