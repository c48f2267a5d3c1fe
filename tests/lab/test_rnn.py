"""Recurrent cells: they compute what PyTorch's do, each time step is a row, and the cures cure."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradtui.lab import toggles
from gradtui.lab.errors import SettingError
from gradtui.lab.learner import Measured
from gradtui.lab.models.rnn import RNN, Cell, GRUCell, LSTMCell
from gradtui.lab.scenario import load
from gradtui.lab.session import Session
from gradtui.stream.events import Value
from tests.lab.trainings import measured, preset, score

SETTINGS: dict[str, Value] = {"init": "gaussian", "sigma_w": 1.0, "activation": "tanh", "leaky_state": 1.0, "forget_bias": 0.7}


def time_span(session: Session, found: Measured) -> float:
    """log10 delta of the first time step minus that of the last; -inf: it is exactly 0 at the first."""
    deltas = [d for layer, d in zip(session.layers, found.layers["delta_rms"], strict=True) if layer.kind == "time step"]
    assert deltas[0] is not None
    assert deltas[-1]
    return math.log10(deltas[0] / deltas[-1]) if deltas[0] else -math.inf


def network(session: Session) -> RNN:
    model = session.learner.model
    assert isinstance(model, RNN)
    return model


def run_torch(cell: nn.RNNCellBase, ours: Cell, x: Tensor, state: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, Tensor]:
    """One step of PyTorch's own cell with our weights."""
    with torch.no_grad():
        cell.weight_ih.copy_(ours.input.weight)
        cell.weight_hh.copy_(ours.recurrent.weight)
        cell.bias_ih.copy_(ours.input.bias)
        cell.bias_hh.zero_()
    out: Tensor | tuple[Tensor, Tensor] = cell(x, state if len(state) > 1 else state[0])
    return out


@pytest.mark.parametrize(("kind", "own"), [(Cell, nn.RNNCell), (LSTMCell, nn.LSTMCell), (GRUCell, nn.GRUCell)])
def test_cells_compute_what_pytorchs_do(kind: type[Cell], own: type[nn.RNNCellBase]) -> None:
    torch.manual_seed(0)
    ours, x = kind(5, 8, SETTINGS), torch.randn(3, 5)
    h, c = torch.randn(3, 8), torch.randn(3, 8)
    theirs = own(5, 8)  # type: ignore[call-arg]
    if kind is LSTMCell:
        found_c, found_h = ours(x, (c, h))
        expected = run_torch(theirs, ours, x, (h, c))
        assert isinstance(expected, tuple)
        torch.testing.assert_close((found_h, found_c), expected)
    else:
        (found,) = ours(x, (h,))
        torch.testing.assert_close(found, run_torch(theirs, ours, x, (h,)))


def test_the_bias_is_that_of_the_gate_which_keeps_the_memory() -> None:
    """Catches a bias on another gate: a large one must make the state stay as it was."""
    x = torch.zeros(2, 5)
    for kind in (LSTMCell, GRUCell):
        cell = kind(5, 8, SETTINGS | {"forget_bias": 50.0})
        memory = torch.randn(2, 8)
        kept = cell(x, (memory, torch.zeros(2, 8)) if kind is LSTMCell else (memory,))[0]
        torch.testing.assert_close(kept, memory, atol=1e-4, rtol=0)


def test_a_leaky_state_mixes_the_old_one_with_the_new() -> None:
    torch.manual_seed(0)
    cell, x, h = Cell(5, 8, SETTINGS), torch.randn(3, 5), torch.randn(3, 8)
    (new,) = cell(x, (h,))
    cell.leak = 0.1
    torch.testing.assert_close(cell(x, (h,))[0], 0.9 * h + 0.1 * new)


@pytest.mark.parametrize(("name", "span"), [("exploding-rnn", 2.2), ("forgetful-rnn", -5.3)])
def test_every_time_step_is_a_row_and_the_profile_is_theorys(name: str, span: float) -> None:
    """Within the decade that 32 units fluctuate by; catches a gradient that is only the last step's own."""
    session = preset(name)
    steps = [layer for layer in session.layers if layer.kind == "time step"]
    assert [layer.name for layer in steps] == [f"cell t={t}" for t in range(30)]
    assert time_span(session, measured(session)) == pytest.approx(span, abs=1)


def test_one_explosive_step_and_then_it_vanishes() -> None:
    """On most seeds: on which ones rounding decides, which differs by processor."""
    seeds = range(1, 6)
    sessions = [preset("exploding-rnn", seed) for seed in seeds]
    assert all(time_span(session, measured(session)) > 1 for session in sessions)
    failed = [session for session in sessions if score(session, 398) < 0.5]
    assert sum(time_span(session, measured(session)) < -1 for session in failed) >= 3


@pytest.mark.parametrize(
    ("name", "changes"), [("exploding-rnn", {"clip": "norm"}), ("forgetful-rnn", {"init": "orthogonal"}), ("forgetful-rnn", {"sigma_w": 1})]
)
def test_what_cures_cures(name: str, changes: dict[str, Value]) -> None:
    assert score(preset(name, 0, **changes), 400) > 0.85


def test_without_a_cure_the_symbol_is_forgotten() -> None:
    assert score(preset("forgetful-rnn"), 400) < 0.15


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_gate_bias_is_what_lets_the_gradient_through(cell: str) -> None:
    biased, default = (preset("forgetful-rnn", cell=cell, forget_bias=bias) for bias in (1, 0))
    assert time_span(biased, measured(biased)) > time_span(default, measured(default)) + 1.5


def test_a_cell_swapped_while_it_trains_is_the_one_that_learns_and_is_measured() -> None:
    session = preset("forgetful-rnn")
    session.take_step(measure=False)
    assert session.set("cell", "lstm") == ("lstm", "a new cell, its weights just drawn")
    cell = network(session).cell
    assert isinstance(cell, LSTMCell)
    before = cell.recurrent.weight.detach().clone()
    found = measured(session)
    assert not torch.equal(before, cell.recurrent.weight)
    assert len(found.layers["delta_rms"]) == len(session.layers)
    assert time_span(session, found) > -2


def test_layer_norm_live_normalises_what_the_activation_gets_and_goes_again() -> None:
    session = preset("exploding-rnn")
    seen: list[Tensor] = []
    session.set("layer_norm", "on")
    cell = network(session).cell
    cell.activation.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    measured(session)
    torch.testing.assert_close(seen[0].std(1, correction=0), torch.ones(len(seen[0])), atol=1e-3, rtol=0)
    assert any(parameter is cell.norm.weight for group in session.learner.optimizer.param_groups for parameter in group["params"])
    session.set("layer_norm", "off")
    seen.clear()
    measured(session)
    assert (seen[-1].std(1, correction=0) - 1).abs().max() > 0.1


def test_other_settings_live_say_when_they_are_not_in_force() -> None:
    session = preset("forgetful-rnn")
    assert session.set("forget_bias", 2) == (2.0, "in force with cell=lstm or gru")
    assert session.set("leaky_state", 0.1) == (0.1, "")
    assert network(session).cell.leak == 0.1
    session.set("cell", "gru")
    assert session.set("forget_bias", 3) == (3.0, "the gate's bias set afresh")
    assert network(session).cell.input.bias.tolist() == [0.0] * 32 + [3.0] * 32 + [0.0] * 32


def test_the_identity_is_a_start_for_recurrent_weights_only() -> None:
    assert torch.equal(network(preset("forgetful-rnn", init="identity")).cell.recurrent.weight, torch.eye(32))
    with pytest.raises(SettingError, match="init is 'identity'"):
        toggles.check(load("deep-sigmoid"), "init", "identity")


def test_an_init_that_gates_do_not_follow_says_so() -> None:
    gated, plain = preset("forgetful-rnn", cell="gru"), preset("forgetful-rnn")
    assert "orthogonal whatever init says" in gated.set("init", "he")[1]
    assert "orthogonal" not in plain.set("init", "he")[1]
