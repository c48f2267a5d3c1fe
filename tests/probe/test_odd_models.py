"""Models that are not a chain of layers from tensor to tensor: the probe gives what can be had and never stops the loop."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.probe.steps import column, probed, rms, same, take_frame, take_step


@dataclass
class Own:
    hidden: Tensor


class Wrapped(nn.Module):
    """Its layers return what the test wants them to."""

    def __init__(self, wrap: str) -> None:
        super().__init__()
        self.first = Returns(nn.Linear(3, 4), wrap)
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.first.unwrap(self.first(x=x)))
        return logits


class Returns(nn.Module):
    def __init__(self, inner: nn.Linear, wrap: str) -> None:
        super().__init__()
        self.weight, self.bias, self.wrap = inner.weight, inner.bias, wrap
        self.z: Tensor | None = None

    def forward(self, x: Tensor) -> object:
        z = nn.functional.linear(x, self.weight, self.bias)
        self.z = z
        return {"dict": {"loss": None, "state": z}, "tuple": (z, None), "nested": ([z], {}), "own": Own(z), "none": None}[self.wrap]

    def unwrap(self, output: object) -> Tensor:
        assert self.z is not None
        return self.z


@pytest.mark.parametrize(("wrap", "seen"), [("dict", True), ("tuple", True), ("nested", True), ("own", False), ("none", False)])
def test_delta_is_taken_from_the_first_tensor_of_whatever_is_returned(wrap: str, seen: bool) -> None:
    model, x = Wrapped(wrap).double(), torch.randn(5, 3, dtype=torch.float64)
    probe = probed(model, lambda: model(x).square().mean())
    assert [layer.name for layer in probe.layers] == ["first", "last"]
    found = column(probe, take_frame(probe, model, lambda: model(x).square().mean(), lr=0.0), "first")
    value = model(x).square().mean()
    assert model.first.z is not None
    (gradient,) = torch.autograd.grad(value, model.first.z)
    assert found["delta_rms"] == (pytest.approx(rms([gradient]), rel=1e-6) if seen else None)
    assert found["grad_norm"] is not None


def test_a_model_without_parameters_has_no_rows() -> None:
    model, x = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3, affine=False)), torch.randn(4, 3, requires_grad=True)
    probe = probed(model, lambda: model(x).mean())
    assert probe.layers == []
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    probe.before_update()
    assert all(numbers == [] for numbers in probe.collect().values())


def test_a_model_that_is_wholly_frozen_has_rows_without_gradients() -> None:
    model, x = nn.Linear(3, 2).requires_grad_(False), torch.randn(4, 3, requires_grad=True)
    probe = probed(model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    probe.before_update()
    fields = probe.collect()
    assert fields["grad_norm"] == fields["update_ratio"] == fields["grad_norm_max"] == [None]
    assert fields["delta_rms"][0] is not None, "the loss still depends on its output"


def test_a_sparse_embeddings_gradient_is_the_same_as_a_dense_ones() -> None:
    tokens = torch.tensor([[1, 2, 2, 5]])
    found = []
    for sparse in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(7, 3, sparse=sparse), nn.Linear(3, 2)).double()
        probe = probed(model, lambda model=model: model(tokens).square().mean())  # type: ignore[misc]
        take_step(probe, model, lambda model=model: model(tokens).square().mean())  # type: ignore[misc]
        fields = take_frame(probe, model, lambda model=model: model(tokens).square().mean())  # type: ignore[misc]
        found.append({name: numbers for name, numbers in fields.items() if numbers})
    assert found[0].keys() == found[1].keys()
    for name in found[0]:
        assert same(found[1][name], found[0][name]), name
    assert found[0]["grad_zero"][0] == pytest.approx(4 / 7, rel=1e-6)


def test_a_gradient_may_become_sparse_or_dense_from_one_step_to_the_next() -> None:
    model = nn.Linear(3, 2)
    probe = probed(model, lambda: model(torch.ones(1, 3)).mean())
    for gradient in (torch.ones(2, 3), torch.ones(2, 3).to_sparse(), torch.ones(2, 3)):
        model.weight.grad = gradient
        probe.arm()
        probe.measure_gradients()
        assert probe.collect()["grad_norm"] == [pytest.approx(6**0.5, rel=1e-6)]


def test_complex_parameters_are_measured_by_their_absolute_values() -> None:
    class Rotation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 3, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight

    torch.manual_seed(1)
    model, x = Rotation(), torch.randn(4, 3, dtype=torch.complex64)
    probe = probed(model, lambda: model(x).abs().square().mean())
    found = column(probe, take_frame(probe, model, lambda: model(x).abs().square().mean()), "Rotation")
    assert model.weight.grad is not None
    assert found["grad_norm"] == pytest.approx(float(model.weight.grad.norm()), rel=1e-5)
    assert found["grad_max"] == pytest.approx(float(model.weight.grad.abs().max()), rel=1e-5)
    assert found["update_ratio"] == pytest.approx(0.05 * (found["grad_norm"] or 0) / (found["weight_norm"] or 1), rel=1e-4)
    assert (found["delta_rms"] or 0) > 0


def test_half_precision_and_large_layers_are_measured_like_any() -> None:
    torch.manual_seed(2)
    model, x = nn.Sequential(nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 2)).bfloat16(), torch.randn(4, 300).bfloat16()
    probe = probed(model, lambda: model(x).mean())
    fields = take_frame(probe, model, lambda: model(x).mean())
    gradients = [parameter.grad.double().flatten() for parameter in model[0].parameters() if parameter.grad is not None]
    assert fields["grad_norm"][0] == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-6)
    assert fields["grad_zero"][0] == pytest.approx(float((torch.cat(gradients) == 0).double().mean()), rel=1e-6)


def test_a_lazy_layer_is_a_row_before_and_after_its_shape_is_known() -> None:
    model, x = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(2)), torch.randn(5, 3)
    probe = probed(model, lambda: model(x).mean())
    assert [(layer.kind, layer.shape, layer.parameters) for layer in probe.layers] == [("Linear", [4, 3], 16), ("Linear", [2, 4], 10)]
    assert all(value is not None for value in take_frame(probe, model, lambda: model(x).mean())["grad_norm"])


def test_a_module_that_catches_its_parts_exception_is_measured_all_the_same() -> None:
    class Fallback(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Sequential(nn.Linear(9, 4)), nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            try:
                logits: Tensor = self.wrong(x)
            except RuntimeError:
                logits = self.right(x)
            return logits

    model, x = nn.Sequential(Fallback(), nn.Linear(4, 2)), torch.randn(5, 3)
    probe = probed(model, lambda: model(x).mean())
    fields = take_frame(probe, model, lambda: model(x).mean())
    assert column(probe, fields, "0.right")["delta_rms"] is not None
    assert column(probe, fields, "1")["delta_rms"] is not None


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpointed_block_is_counted_once(reentrant: bool) -> None:
    torch.manual_seed(3)
    block = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    model = nn.ModuleList([block, nn.Linear(4, 2).double()])
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)

    def plain() -> Tensor:
        value: Tensor = model[1](block(x)).square().mean()
        return value

    def recomputed() -> Tensor:
        value: Tensor = model[1](checkpoint(block, x, use_reentrant=reentrant)).square().mean()
        return value

    probe = probed(model, plain)
    expected = take_frame(probe, model, plain, lr=0.0)
    found = take_frame(probe, model, recomputed, lr=0.0)
    for name in ("delta_rms", "activation_mean", "activation_std", "saturated", "grad_norm"):
        assert same(found[name], expected[name]), name
