"""Delta and activations: what the hooks of one step see on its way forward and back, and that they are gone afterwards."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.probe.models import ElmanCell, Shared, Unrolled, mlp
from tests.probe.steps import (
    Outputs,
    column,
    count_hooks,
    linear,
    probed,
    rms,
    same,
    take_frame,
)


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
