"""Networks that change while they train: frozen and thawed, in turns or for good, and parameters and modules that are replaced."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

import gradtui
from tests.watch.recordings import Recording, close_to, gradient_norms, norm


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("frozen_for_good", [False, True])
@pytest.mark.parametrize("generator_first", [False, True])
def test_networks_that_are_frozen_in_each_others_turns_are_not_taken_for_others(
    tmp_path: Path, generator_first: bool, frozen_for_good: bool
) -> None:
    """As many loops of GANs do it. Catches a look at who is frozen at the end of a round: every frame was then the first of a new network,
    and none had a delta."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    base, learning = (generator[0], generator[1:]) if frozen_for_good else (nn.Identity(), generator)
    base.requires_grad_(False)
    optimizers = [torch.optim.SGD(network.parameters(), 0.01) for network in (critic, generator)]
    expected: dict[str, list[dict[str, float]]] = {"critic": [], "generator": []}

    def train_critic() -> None:
        critic.requires_grad_(True)
        learning.requires_grad_(False)
        optimizers[0].zero_grad()
        critic(generator(torch.randn(16, 3)).detach()).square().mean().backward()
        expected["critic"].append(gradient_norms(critic, ("0", "2")))
        optimizers[0].step()

    def train_generator() -> None:
        critic.requires_grad_(False)
        learning.requires_grad_(True)
        optimizers[1].zero_grad()
        critic(generator(torch.randn(16, 3))).mean().backward()
        expected["generator"].append(gradient_norms(generator, ("2", "4")))
        optimizers[1].step()

    with gradtui.watch({"critic": critic, "generator": generator}, optimizers, run_dir=tmp_path, every=1):
        for _ in range(6):
            for train in (train_generator, train_critic) if generator_first else (train_critic, train_generator):
                train()
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == list(range(6))
    for group, steps in expected.items():
        for step, layers in enumerate(steps):
            for layer, value in layers.items():
                assert recording.at(step, "grad_norm", layer, group) == close_to(value)
    assert len(recording.hellos) <= 1 + frozen_for_good, "which part is frozen for good is known when its optimizer has stepped"
    assert [(layer.group, layer.name) for layer in recording.hellos[-1].layers if layer.frozen] == [("generator", "0")] * frozen_for_good
    assert len([value for value in recording.frames[-1].delta_rms if value is not None]) == 5 - frozen_for_good


def tie(model: nn.Sequential, optimizer: Optimizer) -> nn.Sequential:
    model[2].weight = model[4].weight = nn.Parameter(torch.randn(8, 8))
    optimizer.param_groups[0]["params"][:] = list(model.parameters())
    return model


def load(model: nn.Sequential, optimizer: Optimizer) -> nn.Sequential:
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    optimizer.param_groups[0]["params"][:] = list(model.parameters())
    return model


def add(model: nn.Sequential, optimizer: Optimizer) -> nn.Sequential:
    model.append(nn.Linear(model[-1].out_features, 2))  # type: ignore[arg-type]
    optimizer.add_param_group({"params": list(model[-1].parameters())})
    return model


def exchange(model: nn.Sequential, optimizer: Optimizer) -> nn.Sequential:
    """What prepares a network for quantisation, or puts adapters into it, leaves the parameters as they were."""
    for name, module in list(model.named_children()):
        if isinstance(module, nn.Linear):
            other = nn.Linear(1, 1)
            other.weight, other.bias = module.weight, module.bias
            setattr(model, name, other)
    return model


@pytest.mark.parametrize("change", [tie, load, add, exchange])
def test_no_frame_is_of_what_was_there_before(tmp_path: Path, change: Callable[[nn.Sequential, Optimizer], nn.Sequential]) -> None:
    """Catches gradients that an old parameter has kept, a total that leaves out a new one, and modules that are hooked and never called."""
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    layers, totals = [], []
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for step in range(7):
            if step == 3:
                change(model, optimizer)
            model.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            layers.append(gradient_norms(model, ("0",)))
            totals.append(norm(*(parameter.grad for parameter in model.parameters())))
            optimizer.step()
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 1, 2, 4, 5, 6]
    assert len(recording.hellos) == 2
    for frame in recording.frames:
        assert frame.total_norm == close_to(totals[frame.step])
        assert recording.at(frame.step, "grad_norm", "0") == close_to(layers[frame.step]["0"])
    assert None not in recording.frames[-1].delta_rms
    assert recording.end.step == 6


@pytest.mark.parametrize("logging", [False, True])
def test_the_frame_that_finds_a_layer_frozen_keeps_its_loss_and_the_steps_are_counted_on(tmp_path: Path, logging: bool) -> None:
    model, losses, steps = mlp(), [], []
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        for step in range(6):
            if step == 3:
                model[0].requires_grad_(False)
            optimizer.zero_grad()
            loss = model(torch.randn(16, 6)).square().mean()
            loss.backward()
            optimizer.step()
            if logging:
                run.log(loss=loss)
            losses.append(loss.item())
            steps.append(run.step)
    recording = Recording(tmp_path)
    assert steps == [frame.step for frame in recording.frames] == list(range(6))
    assert [frame.loss for frame in recording.frames] == [pytest.approx(loss) if logging else None for loss in losses]
    assert recording.events.index(recording.hellos[1]) == recording.events.index(recording.frames[4]) - 1, "the frame is the old network's"
    assert [layer.frozen for hello in recording.hellos for layer in hello.layers] == [False] * 3 + [True] + [False] * 2
