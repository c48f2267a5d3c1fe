"""Which rows a model has, and that they stay when normalisations and activations come and go."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe import Probe
from gradtui.probe.trace import traced
from tests.probe.models import Block, ElmanCell, SkipNet, Unrolled
from tests.probe.steps import column, count_hooks, gradient, probed, take_frame, take_step


def names(probe: Probe) -> list[str]:
    return [layer.name for layer in probe.layers]


class OutOfOrder(nn.Module):
    """Reaches its layers in another order than it has them; `spare` never."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.spare = nn.Linear(4, 4)
        self.first = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.first(x))
        return logits


def test_rows_are_in_the_order_the_forward_pass_reaches_them_and_unused_ones_last() -> None:
    model, x = OutOfOrder(), torch.randn(5, 3)
    probe = probed(model, lambda: model(x).mean())
    assert names(probe) == ["first", "last", "spare"]
    fields = take_frame(probe, model, lambda: model(x).mean())
    spare = column(probe, fields, "spare")
    weights = {"weight_norm", "update_ratio"}
    assert all(value is None for name, value in spare.items() if name not in weights), "no gradient is not a gradient of 0"
    assert spare["weight_norm"] == pytest.approx(float(model.spare.weight.detach().norm()), rel=1e-6)


def test_a_norm_after_a_layer_and_a_norm_before_one_are_both_folded() -> None:
    after = nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.InstanceNorm1d(4), nn.Tanh())
    x = torch.randn(3, 2, 9)
    probe = probed(after, lambda: after(x).mean())
    assert [(layer.name, layer.kind, layer.parameters) for layer in probe.layers] == [("0", "Conv1d", 28 + 8), ("3", "Conv1d", 52)]
    before = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.ReLU(), nn.RMSNorm(4), nn.Linear(4, 2))
    y = torch.randn(3, 4)
    probe = probed(before, lambda: before(y).mean())
    assert [(layer.name, layer.parameters) for layer in probe.layers] == [("1", 20 + 8), ("4", 10 + 4)]


def test_a_norm_that_touches_no_layer_is_a_row_of_its_own() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.norm = nn.Linear(3, 4), nn.Linear(3, 4), nn.LayerNorm(4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.norm(self.a(x) + self.b(x)))

    model, x = Sum(), torch.randn(5, 3)
    assert names(probed(model, lambda: model(x).mean())) == ["a", "b", "norm"]


def test_an_in_place_activation_is_not_taken_for_the_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Linear(4, 2))
    x = torch.randn(5, 4)
    assert [(layer.name, layer.parameters) for layer in probed(model, lambda: model(x).mean()).layers] == [("0", 20), ("3", 18)]


def toggle(kind: str) -> nn.Sequential:
    norm = {"batch": nn.BatchNorm1d(6), "plain batch": nn.BatchNorm1d(6, affine=False), "off": nn.Identity()}
    activation = {"prelu": nn.PReLU(), "inplace": nn.ELU(inplace=True)}
    return nn.Sequential(nn.Linear(3, 6), norm.get(kind, nn.Identity()), activation.get(kind, nn.Sigmoid()), nn.Linear(6, 2))


@pytest.mark.parametrize("kind", ["batch", "plain batch", "prelu", "inplace", "off"])
def test_rows_keep_their_names_and_extremes_when_a_norm_or_activation_is_swapped(kind: str) -> None:
    torch.manual_seed(0)
    model, x = toggle("off"), torch.randn(7, 3)
    probe = probed(model, lambda: model(x).mean())
    take_step(probe, model, lambda: model(x).mean() * 1e3, lr=0.0)
    spike = math.hypot(*(float(gradient(parameter).norm()) for parameter in model[0].parameters()))
    changed = toggle(kind)
    model[1], model[2] = changed[1], changed[2]
    with probe.discovering():
        model(x)
    assert names(probe) == ["0", "3"]
    fields = take_frame(probe, model, lambda: model(x).mean())
    assert fields["grad_norm_max"][0] == pytest.approx(spike, rel=1e-5)
    assert fields["grad_norm_max"][0] != fields["grad_norm"][0]
    assert fields["activation_mean"][0] is not None


def test_the_preactivation_moves_behind_a_norm_that_is_switched_on() -> None:
    torch.manual_seed(0)
    model, x = toggle("plain batch").double(), torch.randn(7, 3, dtype=torch.float64)
    probe = probed(model, lambda: model(x).square().sum())
    delta = column(probe, take_frame(probe, model, lambda: model(x).square().sum(), lr=0.0), "0")["delta_rms"]
    z = model[1](model[0](x)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model[3](model[2](z)).square().sum(), z)
    assert delta == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-6)


@pytest.mark.parametrize("norm", [False, True])
def test_a_recurrent_cells_norm_belongs_to_the_cell(norm: bool) -> None:
    model, x = Unrolled(ElmanCell(3, 4, norm), 4), torch.randn(2, 3, 3)
    probe = probed(model, lambda: model(x).mean())
    assert names(probe) == ["cell.input", "cell.recurrent", "cell t=0", "cell t=1", "cell t=2", "read_out"]
    assert probe.layers[0].parameters == (16 + 8 if norm else 16)


def test_a_cell_called_once_has_no_time_steps() -> None:
    model, x = Unrolled(nn.GRUCell(3, 4), 4), torch.randn(2, 1, 3)
    assert names(probed(model, lambda: model(x).mean())) == ["cell", "read_out"]


def test_a_longer_sequence_than_the_one_discovered_leaves_the_rows_as_they_are() -> None:
    model, x = Unrolled(nn.RNNCell(3, 4), 4), torch.randn(2, 3, 3)
    probe = probed(model, lambda: model(x).mean())
    longer, shorter = torch.randn(2, 5, 3), torch.randn(2, 2, 3)
    for sequence, missing in ((longer, []), (shorter, ["cell t=2"])):
        fields = take_frame(probe, model, lambda sequence=sequence: model(sequence).mean())  # type: ignore[misc]
        steps = [layer.name for layer in probe.layers if layer.kind == "time step"]
        assert [name for name in steps if column(probe, fields, name)["delta_rms"] is None] == missing


def test_parameters_of_the_top_module_are_a_row_named_after_it() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.ones(3))
            self.scales = nn.ParameterList([torch.ones(3)])
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.linear(x * self.token * self.scales[0])
            return logits

    model, x = Learned(), torch.randn(5, 3)
    probe = probed(model, lambda: model(x).mean())
    assert [(layer.name, layer.parameters) for layer in probe.layers] == [("Learned", 3), ("linear", 8), ("scales", 3)]
    fields = take_frame(probe, model, lambda: model(x).mean())
    assert column(probe, fields, "Learned")["delta_rms"] is None, "the model's output is not the token's pre-activation"
    assert column(probe, fields, "scales")["grad_norm"] == pytest.approx(column(probe, fields, "Learned")["grad_norm"], rel=1e-6)


def test_a_parametrized_weight_stays_with_its_layer() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    probe = probed(model, lambda: model(x).mean())
    assert [(layer.name, layer.shape, layer.parameters) for layer in probe.layers] == [("0", [4, 3], 4 + 4 + 12), ("1", [2, 4], 10)]
    assert probe.layers[0].kind == "Linear"
    assert column(probe, take_frame(probe, model, lambda: model(x).mean()), "0")["delta_rms"] is not None


def test_several_networks_are_groups_one_after_the_other() -> None:
    critic, generator = nn.Linear(3, 1), nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    probe = Probe({"critic": critic, "generator": generator})
    z = torch.randn(4, 2)
    with probe.discovering():
        critic(generator(z))
    assert [(layer.group, layer.name) for layer in probe.layers] == [("critic", "Linear"), ("generator", "0")]
    probe.arm()
    critic(generator(z)).mean().backward()
    probe.measure_gradients()
    assert critic.weight.grad is not None
    assert all(value is not None for value in probe.collect()["delta_rms"])
    assert count_hooks(critic, generator) == 0


def test_frozen_rows_say_so_and_have_no_gradient() -> None:
    model, x = SkipNet(), torch.randn(3, 1, 5, 5)
    for part in (model.conv1, model.bn1):
        part.requires_grad_(False)
    probe = probed(model, lambda: model(x).mean())
    assert [layer.frozen for layer in probe.layers] == [True, False, False]
    frozen = column(probe, take_frame(probe, model, lambda: model(x).mean()), "conv1")
    assert frozen["grad_norm"] is frozen["delta_rms"] is frozen["update_ratio"] is frozen["grad_zero"] is None
    assert frozen["weight_norm"] == pytest.approx(float(model.conv1.weight.detach().norm()), rel=1e-6)


def test_a_compiled_model_gives_gradients_but_is_never_hooked() -> None:
    model, x = Block(), torch.randn(2, 3, 8)
    probe = Probe(torch.compile(model))  # type: ignore[arg-type]
    with probe.discovering():
        assert count_hooks(model) == 0
        model(x)
    assert names(probe) == ["norm1", "attention", "attention.out_proj", "norm2", "up", "down"]
    fields = take_frame(probe, model, lambda: (count_hooks(model), model(x).mean())[1])
    assert count_hooks(model) == 0
    assert all(value is None for value in fields["delta_rms"])
    assert all(value is not None for value in fields["grad_norm"])


def test_an_exception_in_the_discovering_pass_leaves_rows_and_hooks_alone() -> None:
    model, x = SkipNet(), torch.randn(3, 1, 5, 5)
    probe = probed(model, lambda: model(x).mean())
    before = names(probe)
    with pytest.raises(RuntimeError), probe.discovering():
        model(torch.randn(3, 2, 5, 5))
    assert names(probe) == before
    assert count_hooks(model) == 0


def test_micro_batches_make_no_more_time_steps_than_the_longest_has() -> None:
    model = Unrolled(nn.RNNCell(3, 4), 4)
    probe = Probe(model)
    with probe.discovering():
        for length in (3, 2, 5, 3):
            model(torch.randn(2, length, 3))
    assert [name for name in names(probe) if "t=" in name] == [f"cell t={step}" for step in range(5)]


def test_a_cell_that_the_loop_calls_itself_has_all_its_time_steps() -> None:
    cell, state = nn.RNNCell(3, 4), torch.zeros(2, 4)
    probe = Probe(cell)
    with probe.discovering():
        for _ in range(3):
            state = cell(torch.randn(2, 3), state)
    assert [name for name in names(probe) if "t=" in name] == [f"RNNCell t={step}" for step in range(3)]


def test_of_a_thousand_passes_only_those_are_kept_that_show_something_new() -> None:
    """An evaluation before the training must not fill the memory."""
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.randn(2, 3)
    ended = 0

    def passed() -> None:
        nonlocal ended
        ended += 1

    with traced(model.modules(), [model], passed) as trace:
        model(x)
        once = len(trace.calls)
        for _ in range(20):
            model(x)
        assert len(trace.calls) == once
        model[0](x)  # by itself
        assert len(trace.calls) == once + 1
    assert ended == 22
