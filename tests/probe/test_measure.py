"""Every gradient and weight statistic against float64 autograd worked out by hand, on networks of many kinds."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe import Probe
from gradtui.stream.events import Frame
from tests.probe.models import Block, SkipNet, Tagger, mlp
from tests.probe.steps import (
    Outputs,
    column,
    gradient,
    linear,
    probed,
    same,
    take_frame,
    take_step,
    weight,
    weight_statistics,
)

Rows = dict[str, tuple[list[str], str | None]]
"""Layer name -> the parameters counted there, and the module whose output is its pre-activation (None: not to be seen)."""


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], Rows]] = {
    "mlp with batch norm": (
        mlp,
        lambda: torch.randn(16, 6),
        {
            "0": (["0.weight", "0.bias", "1.weight", "1.bias"], "1"),
            "3": (["3.weight", "3.bias"], "3"),
            "5": (["5.weight", "5.bias"], "5"),
            "7": (["7.weight", "7.bias"], "7"),
        },
    ),
    "convolutions with a skip": (
        SkipNet,
        lambda: torch.randn(5, 1, 6, 6),
        {
            "conv1": (["conv1.weight", "bn1.weight", "bn1.bias"], "bn1"),
            "conv2": (["conv2.weight", "conv2.bias"], "conv2"),
            "read_out": (["read_out.weight", "read_out.bias"], "read_out"),
        },
    ),
    "transformer block": (
        Block,
        lambda: torch.randn(3, 5, 8),
        {
            "attention": (["norm1.weight", "norm1.bias", "attention.in_proj_weight", "attention.in_proj_bias"], "attention"),
            "attention.out_proj": (["attention.out_proj.weight", "attention.out_proj.bias"], None),
            "up": (["norm2.weight", "norm2.bias", "up.weight", "up.bias"], "up"),
            "down": (["down.weight", "down.bias"], "down"),
        },
    ),
    "lstm with tied embedding": (
        Tagger,
        lambda: torch.randint(0, 11, (4, 5)),
        {
            "embedding": (["embedding.weight"], "embedding"),
            "lstm": (["lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0"], "lstm"),
        },
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_gradient_and_weight_statistic_is_what_autograd_says(network: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    build, make_input, rows = NETWORKS[network]
    model, x = build().to(dtype), make_input()
    x = x.to(dtype) if x.is_floating_point() else x
    probe = probed(model, lambda: model(x).square().mean())
    assert [layer.name for layer in probe.layers][: len(rows)] == list(rows)

    reference = build().double()
    reference.load_state_dict(model.state_dict())
    for module in reference.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    outputs = Outputs(reference, [source for _, source in rows.values() if source])
    reference(x.double() if x.is_floating_point() else x).square().mean().backward()
    fields = take_frame(probe, model, lambda: model(x).square().mean())

    parameters, own = dict(reference.named_parameters()), dict(model.named_parameters())
    for layer, (names, source) in rows.items():
        expected = weight_statistics([parameters[name] for name in names])
        expected["delta_rms"] = outputs.delta(source) if source else None
        # Attention does not hang on its keys' bias: what rounding leaves of that gradient, 0 or nearly, is the dtype's and the machine's.
        expected["grad_zero"] = weight_statistics([own[name] for name in names])["grad_zero"]
        found = column(probe, fields, layer)
        for name, value in expected.items():
            assert same([found[name]], [value], 1e-6 if dtype is torch.float64 else 1e-3), (layer, name, found[name], value)


def test_the_rows_have_the_weights_shape_and_every_parameter_once() -> None:
    model = Tagger()
    tokens = torch.randint(0, 11, (2, 3))
    layers = {layer.name: layer for layer in probed(model, lambda: model(tokens).mean()).layers}
    assert layers["embedding"].shape == layers["read_out"].shape == [11, 6]
    assert layers["embedding"].parameters == 66
    assert layers["read_out"].parameters == 0, "tied: counted where it is reached first"
    assert sum(layer.parameters for layer in layers.values()) == sum(parameter.numel() for parameter in model.parameters())


def test_the_penalty_is_measured_apart_from_the_data_losss_gradient() -> None:
    torch.manual_seed(8)
    model, x = mlp().double(), torch.randn(9, 6, dtype=torch.float64)
    probe = probed(model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    weights = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    data_norm = math.hypot(*(float(gradient(parameter).norm()) for parameter in model[3].parameters()))
    penalty = {parameter: 1e3 * parameter.detach() for parameter in weights}
    probe.measure_penalty(penalty)
    for parameter, share in penalty.items():
        gradient(parameter).add_(share)
    probe.before_update()
    found = column(probe, probe.collect(), "3")
    assert found["grad_norm"] == pytest.approx(data_norm, rel=1e-6)
    assert found["penalty_norm"] == pytest.approx(1e3 * float(linear(model, 3).weight.detach().norm()), rel=1e-6)
    assert found["delta_rms"] is not None


def test_without_a_regulariser_there_is_no_penalty_and_outside_it_none() -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = probed(model, lambda: model(x).mean())
    assert take_frame(probe, model, lambda: model(x).mean())["penalty_norm"] == []
    probe.arm()
    probe.measure_penalty({weight(model[5]): torch.ones(8, 8)})
    assert probe.collect()["penalty_norm"] == [None, None, 8.0, None]


@pytest.mark.parametrize(("start", "lr", "ratio"), [(0.0, 0.1, math.inf), (0.0, 0.0, 0.0)])
def test_weights_of_zero_moved_infinitely_far_or_not_at_all(start: float, lr: float, ratio: float) -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    nn.init.constant_(model.weight, start)
    probe = probed(model, lambda: model(x).mean())
    assert take_frame(probe, model, lambda: model(x).mean(), lr=lr)["update_ratio"] == [ratio]


def test_nan_and_infinite_gradients_are_counted_and_seen_everywhere() -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = probed(model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    gradient(linear(model, 0).weight)[0, :3] = math.nan
    gradient(linear(model, 0).weight)[1, 0] = math.inf
    gradient(linear(model, 3).weight)[0, 0] = -math.inf
    probe.measure_gradients()
    probe.before_update()
    fields = probe.collect()
    nan, infinite, well = (column(probe, fields, name) for name in ("0", "3", "5"))
    assert (nan["grad_nonfinite"], infinite["grad_nonfinite"], well["grad_nonfinite"]) == (4, 1, 0)
    assert math.isnan(nan["grad_norm"] or 0)
    assert math.isnan(nan["grad_max"] or 0)
    assert infinite["grad_norm"] == infinite["grad_max"] == math.inf


@pytest.mark.parametrize("scale", [1e-25, 1e-40, 1e25])
def test_tiny_and_huge_gradients_neither_underflow_nor_overflow(scale: float) -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = probed(model, lambda: model(x).mean())
    expected = take_frame(probe, model, lambda: model(x).sum() * 1.0, lr=0.0)
    found = take_frame(probe, model, lambda: model(x).sum() * scale, lr=0.0)
    for name in ("delta_rms", "grad_norm", "grad_norm_min", "grad_norm_max", "grad_rms", "grad_max"):
        scaled = [None if value is None else value * scale for value in expected[name]]
        assert same(found[name], scaled, 0.02), name  # float32 itself is coarse at 1e-40


def test_numbers_have_seven_significant_digits_and_the_frames_names() -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = probed(model, lambda: model(x).mean())
    fields = take_frame(probe, model, lambda: model(x).mean())
    assert set(fields) <= set(Frame.__struct_fields__)
    values = [value for numbers in fields.values() for value in numbers if value is not None]
    assert all(value == float(f"{value:.7g}") for value in values)
    assert all(type(value) is float for value in values)
    assert all(len(numbers) in (0, len(probe.layers)) for numbers in fields.values())


def test_probe_before_any_forward_measures_by_registration() -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = Probe(model)
    assert [layer.name for layer in probe.layers] == ["0", "1", "3", "5", "7"], "a norm is folded only once it is seen where it stands"
    take_step(probe, model, lambda: model(x).mean())
    assert all(value is not None for value in take_frame(probe, model, lambda: model(x).mean())["grad_norm"])
