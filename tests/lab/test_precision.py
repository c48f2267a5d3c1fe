"""Mixed precision: what underflows, what brings it back, and that every number of a frame has its true size."""

from __future__ import annotations

import pytest
import torch

from gradtui.lab.session import Session
from gradtui.stream.events import Numbers, Value
from tests.lab.trainings import begin, measured, own, preset


def present(numbers: Numbers) -> list[float]:
    return [number for number in numbers if number is not None]


def zeros(session: Session) -> float:
    """The fraction of the first layer's weight gradient that is exactly 0."""
    return present(measured(session).layers["grad_zero"])[0]


def test_half_precision_writes_zeros_where_a_loss_scale_or_bf16_does_not() -> None:
    """grad elements are flushed below 2⁻²⁵: at a loss factor of 2⁻¹⁸ all of them."""
    assert zeros(preset("half-precision")) > 0.99
    cures: list[dict[str, Value]] = [{"loss_scale": 2.0**14}, {"precision": "bf16"}, {"precision": "fp32"}]
    for cured in cures:
        assert zeros(preset("half-precision", **cured)) < 0.5  # type: ignore[arg-type]  # ReLU's own zeros


def test_what_is_about_to_underflow_is_subnormal_in_half_precision_and_not_with_a_loss_scale() -> None:
    """The gradients themselves are kept in float32, where nothing of this size is subnormal."""

    def subnormal(**settings: Value) -> float:
        return max(present(measured(preset("healthy-mlp", **settings)).layers["grad_subnormal"]))  # type: ignore[arg-type]

    assert subnormal(precision="fp16") > 0.01
    assert subnormal(precision="fp16", loss_scale=2.0**12) < subnormal(precision="fp16") / 4
    assert subnormal(precision="fp32") == 0


@pytest.mark.parametrize("name", ["delta_rms", "grad_norm", "update_ratio"])
def test_a_loss_scale_leaves_no_trace_in_a_frame(name: str) -> None:
    """In float32 a power of two is exact, so every number must be the same, but for the frame's own rounding."""
    plain, scaled = measured(preset("healthy-mlp")), measured(preset("healthy-mlp", loss_scale=2.0**10))
    assert present(plain.layers[name])
    assert present(scaled.layers[name]) == pytest.approx(present(plain.layers[name]), rel=1e-6)
    assert scaled.loss == plain.loss
    assert scaled.total_norm == plain.total_norm


def test_clipping_sees_the_unscaled_gradient() -> None:
    found = measured(preset("healthy-mlp", loss_scale=2.0**10, clip="norm", clip_threshold=0.01))
    assert found.clipped_norm == pytest.approx(0.01, rel=1e-3)
    assert found.total_norm < 20


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_the_layers_compute_in_the_precision_that_was_asked_for(precision: Value, dtype: torch.dtype) -> None:
    training = preset("healthy-mlp", precision=precision)
    seen = set()
    handle = training.learner.model.hidden[1].linear.register_forward_hook(lambda *call: seen.add(call[2].dtype))  # type: ignore[index,union-attr]
    training.take_step(measure=False)
    handle.remove()
    assert seen == {dtype}
    assert all(parameter.dtype == torch.float32 for parameter in training.learner.model.parameters())


def test_precision_is_live() -> None:
    training = preset("half-precision")
    assert zeros(training) > 0.99
    training.set("precision", "bf16")
    assert zeros(training) < 0.5
    assert training.settings["precision"] == "bf16"


def test_the_loss_factor_multiplies_the_loss() -> None:
    plain, multiplied = measured(begin(own())), measured(begin(own(loss_factor=2.0**-3)))
    assert multiplied.loss == plain.loss * 2.0**-3
    assert multiplied.total_norm == pytest.approx(plain.total_norm * 2.0**-3, rel=1e-6)
