"""Every statistic against float64 autograd worked out by hand, on networks of many kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gradtui.probe import Probe
from gradtui.stream.events import Frame
from tests.probe.models import Block, ElmanCell, Shared, SkipNet, Tagger, Unrolled
from tests.probe.steps import (
    LR,
    Outputs,
    column,
    count_hooks,
    gradient,
    linear,
    probed,
    rms,
    same,
    take_frame,
    take_step,
    weight,
    weight_statistics,
)

Rows = dict[str, tuple[list[str], str | None]]
"""Layer name -> the parameters counted there, and the module whose output is its pre-activation (None: not to be seen)."""


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Sigmoid(), nn.Linear(8, 8), nn.LeakyReLU(0.2), nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 3)
    )


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

    parameters = dict(reference.named_parameters())
    for layer, (names, source) in rows.items():
        expected = weight_statistics([parameters[name] for name in names])
        expected["delta_rms"] = outputs.delta(source) if source else None
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


def test_activations_are_described_where_they_are_a_module_on_the_preactivation() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(4, 50), nn.Tanh(), nn.Linear(50, 50), nn.Sigmoid(), nn.Linear(50, 50), nn.ReLU(inplace=True), nn.Linear(50, 50), nn.ELU()
    ).double()
    with torch.no_grad():
        for index in (0, 2, 4, 6):
            linear(model, index).weight.mul_(12)
        linear(model, 4).bias[:20] = -60  # these units never fire
        linear(model, 6).bias[:10] = -1e4  # nor do these: exp(-1e4) is no slope either
    x = torch.randn(32, 4, dtype=torch.float64)
    stages = [x]
    for module in model:
        stages.append(module(stages[-1]).clone())
    z = {name: stages[int(name) + 1] for name in ("0", "2", "4", "6")}
    a = {"0": z["0"].tanh(), "2": z["2"].sigmoid(), "4": z["4"].relu(), "6": nn.functional.elu(z["6"])}
    probe = probed(model, lambda: model(x).mean())
    fields = take_frame(probe, model, lambda: model(x).mean())
    z, a = {name: value.detach() for name, value in z.items()}, {name: value.detach() for name, value in a.items()}
    for name in z:
        found = column(probe, fields, name)
        assert found["activation_mean"] == pytest.approx(float(a[name].mean()), rel=1e-6)
        assert found["activation_std"] == pytest.approx(float(a[name].std(correction=0)), rel=1e-6)
    slope = {"0": 1 - a["0"].square(), "2": 4 * a["2"] * (1 - a["2"])}
    for name in slope:
        saturated = float((slope[name] < 0.1).double().mean())
        assert 0.05 < saturated < 0.95, "the test must have both kinds"
        assert column(probe, fields, name)["saturated"] == pytest.approx(saturated, rel=1e-6)
        assert column(probe, fields, name)["dead"] is None
    dead = float((z["4"].amax(0) <= 0).double().mean())
    assert 0.3 < dead < 0.95
    assert column(probe, fields, "4")["dead"] == pytest.approx(dead, rel=1e-6)
    assert column(probe, fields, "4")["saturated"] is None
    assert column(probe, fields, "6")["dead"] == pytest.approx(float((z["6"].amax(0).exp() <= 0.011).double().mean()), rel=1e-6)


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.LeakyReLU(0.3),
    nn.PReLU(),
    nn.PReLU(7),
    nn.ELU(0.7),
    nn.CELU(0.7),
    nn.SELU(),
    nn.GELU(),
    nn.SiLU(),
    nn.Mish(),
    nn.Hardswish(),
    nn.Softplus(2),
]


@pytest.mark.parametrize(
    "activation", ACTIVATIONS, ids=lambda module: f"{type(module).__name__}-{sum(p.numel() for p in module.parameters())}"
)
def test_a_unit_is_dead_when_autograd_finds_no_slope_anywhere(activation: nn.Module) -> None:
    torch.manual_seed(2)
    activation = activation.double()
    if isinstance(activation, nn.PReLU):
        activation.weight.data.copy_(torch.linspace(-0.02, 0.02, activation.weight.numel()))
    z = (torch.randn(3, 7, dtype=torch.float64) * 0.3 + torch.linspace(-9, 3, 7, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(activation(z).sum(), z)
    layer = nn.Linear(7, 7, bias=False).double()
    layer.weight.data.copy_(torch.eye(7))
    model, x = nn.Sequential(layer, activation), z.detach()
    probe = probed(model, lambda: model(x).mean())
    dead = column(probe, take_frame(probe, model, lambda: model(x).mean()), "0")["dead"]
    assert dead == pytest.approx(float((slope.abs().amax(0) <= 0.011).double().mean()), rel=1e-6)


def test_a_convolutions_units_are_its_channels() -> None:
    conv = nn.Conv2d(1, 4, 3)
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(6, 1, 5, 5)
    model(x)
    with torch.no_grad():
        nn.init.constant_(conv.bias[::2], -50)  # type: ignore[index]
        nn.init.constant_(conv.bias[1::2], 50)  # type: ignore[index]
    probe = probed(model, lambda: model(x).mean())
    assert column(probe, take_frame(probe, model, lambda: model(x).mean()), "0")["dead"] == 0.5


def cells() -> list[nn.Module]:
    return [nn.RNNCell(3, 4), nn.GRUCell(3, 4), nn.LSTMCell(3, 4), ElmanCell(3, 4)]


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: type(cell).__name__)
def test_every_time_step_is_a_row_with_the_gradient_at_its_state(cell: nn.Module) -> None:
    torch.manual_seed(3)
    model, x = Unrolled(cell, 4).double(), torch.randn(5, 6, 3, dtype=torch.float64)

    def loss() -> Tensor:
        value: Tensor = model(x).square().mean()
        return value

    probe = probed(model, loss)
    fields = take_frame(probe, model, loss, lr=0.0)
    model.zero_grad()
    value = loss()
    for t, at_state in enumerate(torch.autograd.grad(value, model.states)):
        assert column(probe, fields, f"cell t={t}")["delta_rms"] == pytest.approx(rms([at_state]), rel=1e-6)
        assert column(probe, fields, f"cell t={t}")["grad_norm"] is None
    names = [layer.name for layer in probe.layers]
    kinds = [layer.kind for layer in probe.layers]
    assert kinds.count("time step") == 6
    assert names[-1] == "read_out"
    assert kinds[-7:-1] == ["time step"] * 6, "the steps come after the cell's own rows"
    loss().backward()  # type: ignore[no-untyped-call]
    own = [parameter for parameter in cell.parameters() if parameter.grad is not None]
    norm = math.sqrt(sum(float(parameter.grad.square().sum()) for parameter in own if parameter.grad is not None))
    found = [value for value, kind in zip(fields["grad_norm"], kinds, strict=True) if value is not None and kind != "time step"]
    assert math.hypot(*found[:-1]) == pytest.approx(norm, rel=1e-6)


def test_a_layer_called_several_times_has_the_rms_over_all_calls() -> None:
    torch.manual_seed(4)
    model, x = Shared().double(), torch.randn(7, 5, dtype=torch.float64)
    probe = probed(model, lambda: model(x).square().mean())
    assert [layer.name for layer in probe.layers] == ["linear"]
    outputs = Outputs(model, ["linear", "act"])
    fields = take_frame(probe, model, lambda: model(x).square().mean())
    found = column(probe, fields, "linear")
    assert found["delta_rms"] == pytest.approx(outputs.delta("linear"), rel=1e-6)
    activations = torch.stack(outputs.of["act"]).detach()
    assert found["activation_mean"] == pytest.approx(float(activations.mean()), rel=1e-6)
    assert found["activation_std"] == pytest.approx(float(activations.std(correction=0)), rel=1e-6)


def test_accumulated_gradients_have_the_whole_batchs_delta() -> None:
    torch.manual_seed(5)
    model, x = mlp()[3:].double(), torch.randn(12, 8, dtype=torch.float64)
    probe = probed(model, lambda: model(x).square().mean())
    whole = take_frame(probe, model, lambda: model(x).square().sum(), lr=0.0)
    model.zero_grad()
    probe.arm()
    for part in x.view(3, 4, 8):
        model(part).square().sum().backward()
    probe.measure_gradients()
    probe.before_update()
    parts = probe.collect()
    for name in ("delta_rms", "grad_norm", "activation_mean", "activation_std"):
        assert same(parts[name], whole[name]), name


def test_a_gradient_penaltys_inner_pass_is_not_the_losss_delta() -> None:
    torch.manual_seed(6)
    critic, x = mlp()[3:].double(), torch.randn(4, 8, dtype=torch.float64)
    probe = probed(critic, lambda: critic(x).mean())
    plain = take_frame(probe, critic, lambda: critic(x).mean(), lr=0.0)
    critic.zero_grad()
    probe.arm()
    leaf = x.clone().requires_grad_()
    value = critic(leaf).mean()
    torch.autograd.grad(value * 1e6, leaf, create_graph=True)
    value.backward()
    probe.measure_gradients()
    probe.before_update()
    assert same(probe.collect()["delta_rms"], plain["delta_rms"])


def test_an_evaluation_between_is_not_measured() -> None:
    torch.manual_seed(7)
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double(), torch.randn(5, 3, dtype=torch.float64)
    probe = probed(model, lambda: model(x).mean())
    expected = take_frame(probe, model, lambda: model(x).mean(), lr=0.0)
    model.zero_grad()
    probe.arm()
    with torch.no_grad():
        model(100 * x)
    model(x).mean().backward()
    probe.measure_gradients()
    probe.before_update()
    assert probe.collect()["activation_std"] == expected["activation_std"]


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


class Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers that leave the device one at a time, and the whole tensors that leave it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scalars = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.scalars += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Counts what reads a tensor's values from Python."""

    READS = frozenset({"tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero", "equal", "allclose"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.READS:
            self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("build", [SkipNet, Block], ids=["convolutions", "transformer"])
def test_a_step_reads_nothing_from_the_device(build: Callable[[], nn.Module]) -> None:
    """On the meta device there is nothing to read: whatever waits for a number raises."""
    model = build().to("meta")
    x = torch.empty((5, 1, 6, 6) if build is SkipNet else (5, 6, 8), device="meta")
    probe = probed(model, lambda: model(x).mean())
    for _ in range(70):  # more than are put together at once
        take_step(probe, model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    probe.measure_penalty({parameter: torch.empty_like(parameter) for parameter in model.parameters()})
    probe.before_update()
    with pytest.raises(NotImplementedError, match="meta"):
        probe.collect()


def test_a_frame_is_one_copy_to_the_host() -> None:
    model, x = SkipNet(), torch.randn(5, 1, 6, 6)
    probe = probed(model, lambda: model(x).mean())
    with Copies() as copies, Reads() as reads:
        probe.arm()
        model(x).mean().backward()
        probe.measure_gradients()
        probe.measure_penalty({weight(model.conv1): torch.ones(4, 1, 3, 3)})
        probe.before_update()
        assert copies.names == []
        probe.collect()
    assert copies.names == ["tolist"]
    assert reads.scalars == 0


def test_no_hook_is_left_after_a_frame_nor_between_frames() -> None:
    model, x = Unrolled(ElmanCell(3, 4), 4), torch.randn(5, 6, 3)
    probe = probed(model, lambda: model(x).mean())
    assert count_hooks(model) == 0
    probe.arm()
    assert count_hooks(model) > 0
    value = model(x).mean()
    state = model.states[0]
    probe.collect()
    assert count_hooks(model) == 0
    assert not state._backward_hooks, "the hook on the tensor is gone as well"
    value.backward()
    with pytest.raises(RuntimeError, match="arm"):
        probe.collect()


def test_a_steps_measurement_is_not_changed_by_the_probe() -> None:
    def train(watched: bool) -> list[Tensor]:
        torch.manual_seed(9)
        norm = nn.BatchNorm1d(8)
        model = nn.Sequential(nn.Linear(4, 8), norm, nn.RReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
        x = torch.randn(6, 4)
        probe = probed(model, lambda: model(x).square().mean()) if watched else None
        torch.manual_seed(10)
        norm.reset_running_stats()
        for _ in range(3):
            if probe is not None:
                take_frame(probe, model, lambda: model(x).square().mean(), LR)
            else:
                model.zero_grad()
                model(x).square().mean().backward()
                torch.optim.SGD(model.parameters(), LR).step()
        return [*model.parameters(), *model.buffers()]

    assert all(torch.equal(watched, alone) for watched, alone in zip(train(True), train(False), strict=True))


def test_probe_before_any_forward_measures_by_registration() -> None:
    model, x = mlp(), torch.randn(9, 6)
    probe = Probe(model)
    assert [layer.name for layer in probe.layers] == ["0", "1", "3", "5", "7"], "a norm is folded only once it is seen where it stands"
    take_step(probe, model, lambda: model(x).mean())
    assert all(value is not None for value in take_frame(probe, model, lambda: model(x).mean())["grad_norm"])
