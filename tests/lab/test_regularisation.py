"""L1 and L2, in the loss and decoupled from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, optim

from gradtui.lab.session import Session
from tests.lab.trainings import measured, preset


def weights(session: Session) -> list[Tensor]:
    return [p.detach().clone() for p in session.learner.model.parameters() if p.ndim >= 2]


def test_decoupled_l2_with_adam_is_adamw() -> None:
    """λΣw² has the gradient 2λw, so AdamW's decay is 2λ; biases are left alone here, so only weights are compared."""
    training = preset("healthy-mlp", optimizer="adam", lr=0.01, l2=0.05, regularisation="decoupled")
    other = preset("healthy-mlp", optimizer="adam", lr=0.01)
    decayed = [p for p in other.learner.model.parameters() if p.ndim >= 2]
    kept = [p for p in other.learner.model.parameters() if p.ndim < 2]
    other.learner.optimizer = optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": kept, "weight_decay": 0.0}], 0.01)
    for _ in range(5):
        training.take_step(measure=False)
        other.take_step(measure=False)
    for ours, theirs in zip(weights(training), weights(other), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_in_the_loss_it_passes_through_adam_and_is_something_else() -> None:
    coupled = preset("healthy-mlp", optimizer="adam", lr=0.01, l2=0.05)
    decoupled = preset("healthy-mlp", optimizer="adam", lr=0.01, l2=0.05, regularisation="decoupled")
    for training in (coupled, decoupled):
        training.take_step(measure=False)
    assert not torch.allclose(weights(coupled)[0], weights(decoupled)[0], atol=1e-4)


def test_decoupled_l1_pulls_by_its_sign_past_the_clipping() -> None:
    without, within = (preset("healthy-mlp", optimizer="sgd", lr=0.1, clip="norm", clip_threshold=1e-6, l1=l1) for l1 in (0.0, 0.02))
    within.set("regularisation", "decoupled")
    before = weights(without)[0]
    without.take_step(measure=False)
    within.take_step(measure=False)
    torch.testing.assert_close(weights(without)[0] - weights(within)[0], 0.1 * 0.02 * before.sign(), rtol=1e-3, atol=1e-7)


def test_decoupled_it_is_measured_and_is_no_part_of_the_gradient() -> None:
    plain, coupled = measured(preset("ordered-tanh")), measured(preset("ordered-tanh", l2=0.01))
    decoupled = measured(preset("ordered-tanh", l2=0.01, regularisation="decoupled"))
    assert decoupled.layers["penalty_norm"] == coupled.layers["penalty_norm"]
    assert decoupled.layers["penalty_norm"][0] is not None
    assert decoupled.total_norm == plain.total_norm
    assert coupled.total_norm > 1.01 * plain.total_norm
    first, shrunk = plain.layers["update_ratio"][0], decoupled.layers["update_ratio"][0]
    assert first is not None
    assert shrunk is not None
    assert shrunk == pytest.approx(0.02 * 2 * 0.01, rel=0.05)  # lr · 2λ: in this scenario the data's own update is next to nothing
    assert shrunk > 2 * first
