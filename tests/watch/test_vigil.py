"""Optimizers whose step is not called, is called by another, or is called in the middle of a backward pass."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradtui
from gradtui.stream.events import Hello, Log
from tests.watch.recordings import Recording, close_to, gradient_norms, norm


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimisation as it is written everywhere: two passes a batch, and `step` is never called."""

    def __init__(self, parameters: Any, rho: float = 0.05, **defaults: Any) -> None:
        super().__init__(parameters, defaults)
        self.rho = rho
        self.base_optimizer = torch.optim.SGD(self.param_groups, **defaults)
        self.moved: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def first_step(self) -> None:
        trained = [parameter for group in self.param_groups for parameter in group["params"]]
        scale = self.rho / norm(*(parameter.grad for parameter in trained))
        self.moved = [(parameter, parameter.grad * scale) for parameter in trained]
        for parameter, way in self.moved:
            parameter.add_(way)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self) -> None:
        for parameter, way in self.moved:
            parameter.sub_(way)
        self.base_optimizer.step()
        self.zero_grad()


class ByItself:
    """Steps without the optimizer that it was made of."""

    def __init__(self, inner: torch.optim.Optimizer, past_autograd: bool = False) -> None:
        self.parameters = [parameter for group in inner.param_groups for parameter in group["params"]]
        self.past_autograd = past_autograd

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.parameters:
            (parameter.data if self.past_autograd else parameter).sub_(0.01 * parameter.grad)
            parameter.grad = None


def mlp(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8, bias), nn.Tanh(), nn.Linear(8, 3, bias))


@contextmanager
def said() -> Iterator[list[str]]:
    """What gradtui complains of meanwhile."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(warning.message) for warning in caught if str(warning.message).startswith("gradtui:")]


def logs(path: Path) -> list[str]:
    events = Recording(path).events
    assert isinstance(events[0], Hello), "the layers come first"
    return [event.text for event in events if isinstance(event, Log)]


def test_of_sam_the_gradients_that_it_steps_with_are_recorded_once_a_batch(tmp_path: Path) -> None:
    model, expected = mlp(), []
    optimizer = Sam(model.parameters(), lr=0.1)
    with said() as complaints, gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(4):
            x, before = torch.randn(16, 6), copy.deepcopy(model)
            model(x).square().mean().backward()
            optimizer.first_step()
            model(x).square().mean().backward()
            expected.append(gradient_norms(model, ("0", "2")))
            optimizer.second_step()
    recording = Recording(tmp_path)
    assert complaints == logs(tmp_path) == []
    assert [frame.step for frame in recording.frames] == [0, 1, 2, 3]
    for frame in recording.frames:
        for layer, value in expected[frame.step].items():
            assert recording.at(frame.step, "grad_norm", layer) == close_to(value)
    was, now = before[0].weight, model[0].weight
    assert isinstance(was, Tensor)
    assert isinstance(now, Tensor)
    assert recording.at(3, "update_ratio", "0") == pytest.approx(norm(now - was) / norm(was), rel=1e-3), "from where it came back to"


@pytest.mark.parametrize("clipped", [False, True])
def test_an_optimizer_that_never_steps_while_another_trains_is_told_of_at_once_and_once(tmp_path: Path, clipped: bool) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    training = ByItself(optimizer)
    run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=1)
    with said() as complaints:
        for _ in range(6):
            model(torch.randn(16, 6)).square().mean().backward()
            if clipped:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            training.step()
    assert len(complaints) == 1
    assert "the weights change, but SGD never made a step" in complaints[0]
    assert logs(tmp_path) == complaints, "before the run ends"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with said() as complaints:
        run.close()
    assert complaints == []
    assert Recording(tmp_path).end.step == -1


def test_a_change_that_no_version_shows_is_told_of_at_the_end(tmp_path: Path) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    training = ByItself(optimizer, past_autograd=True)
    with said() as complaints, gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(6):
            model(torch.randn(16, 6)).square().mean().backward()
            training.step()
    assert len(complaints) == 1
    assert "there were forward passes, but SGD never made a step" in complaints[0]
    assert logs(tmp_path) == complaints


def test_what_is_no_training_by_another_is_not_taken_for_one(tmp_path: Path) -> None:
    """An evaluation, a checkpoint that is loaded, many micro-batches; an evaluation alone, and a loop that fails before its first step."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with said() as complaints:
        with gradtui.watch(model, optimizer, run_dir=tmp_path / "trained", every=1):
            with torch.no_grad():
                model(torch.randn(16, 6))
            model.load_state_dict(mlp().state_dict())
            for _ in range(50):
                model(torch.randn(16, 6)).square().mean().backward()
            optimizer.step()
        with gradtui.watch(model, optimizer, run_dir=tmp_path / "evaluated", every=1), torch.no_grad():
            model(torch.randn(16, 6))
        with pytest.raises(ArithmeticError), gradtui.watch(model, optimizer, run_dir=tmp_path / "failed", every=1):
            raise ArithmeticError(model(torch.randn(16, 6)).sum())
    assert complaints == []
    assert logs(tmp_path / "trained") == logs(tmp_path / "evaluated") == logs(tmp_path / "failed") == []


@pytest.mark.parametrize("bias", [False, True])
def test_optimizers_that_step_in_the_backward_pass_are_exact_for_layers_of_one_and_named_for_others(tmp_path: Path, bias: bool) -> None:
    model = mlp(bias)
    optimizers = {parameter: torch.optim.SGD([parameter], 0.1) for parameter in model.parameters()}
    used: dict[nn.Parameter, float] = {}

    def step(parameter: nn.Parameter) -> None:
        used[parameter] = norm(parameter.grad)
        optimizers[parameter].step()
        parameter.grad = None

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)  # type: ignore[no-untyped-call]
    expected = []
    with said() as complaints, gradtui.watch(model, list(optimizers.values()), run_dir=tmp_path, every=1):
        for _ in range(4):
            model(torch.randn(16, 6)).square().mean().backward()
            expected.append([used[parameter] for name, parameter in model.named_parameters() if "weight" in name])
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 1, 2, 3]
    for frame, norms in zip(recording.frames, expected, strict=True):
        assert frame.grad_norm == [close_to(value) for value in norms]
        assert not frame.step or None not in frame.delta_rms
    assert logs(tmp_path) == complaints
    assert [text.endswith("is sure to be measured: 0, 2") for text in complaints] == [True] * bias


def test_a_network_of_which_no_pass_is_seen_is_told_of_at_the_end(tmp_path: Path) -> None:
    """As a compiled one."""
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    training = ByItself(optimizer)
    with said() as complaints, gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(4):
            nn.functional.linear(torch.randn(16, 6), model.weight, model.bias).square().mean().backward()  # type: ignore[no-untyped-call]
            training.step()
    assert ["the weights have changed, but SGD never made a step" in text for text in complaints] == [True]
    assert logs(tmp_path) == complaints
