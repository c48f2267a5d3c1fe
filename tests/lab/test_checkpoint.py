"""A checkpoint is exact: what goes on from it is, bit for bit, what would have gone on without it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gradtui.lab import checkpoint, toggles
from gradtui.lab import scenario as scenarios
from gradtui.lab.learner import Measured
from gradtui.lab.scenario import Scenario
from gradtui.lab.sessions import Training, begin
from gradtui.stream.events import Value
from tests.lab.trainings import CPU, own

Changes = dict[int, dict[str, Value]]
"""Step -> toggles set before it."""


def train(session: Training, steps: int, changes: Changes) -> Measured:
    """`steps` more steps; the last one's statistics."""
    found = None
    for _ in range(steps):
        for key, value in changes.get(session.step, {}).items():
            session.set(key, value)
        found = session.take_step(measure=True)
    assert found is not None
    return found


def both(scenario: Scenario, changes: Changes, path: Path, device: torch.device = CPU) -> tuple[Training, Measured, Training, Measured]:
    """Trained through, and with a checkpoint after 8 of 16 steps that went through a file."""
    through = begin(scenario, toggles.initial(scenario), 3, device)
    train(through, 8, changes)
    torch.save(checkpoint.take(through, 3), path)
    uninterrupted = train(through, 8, changes)
    torch.manual_seed(99)  # what others draw meanwhile must not matter
    resumed = checkpoint.resume(torch.load(path, weights_only=False), device)
    return through, uninterrupted, resumed, train(resumed, 8, changes)


CASES: dict[str, tuple[str, Changes]] = {
    "momentum and batch norm put in": ("deep-sigmoid", {3: {"batch_norm": "on", "lr": 0.01}}),
    "weights drawn anew after it": ("deep-sigmoid", {9: {"init": "gaussian"}}),
    "adam, a warm-up under way": ("deep-sigmoid", {2: {"optimizer": "adam", "lr": 0.001}, 4: {"warmup": 30}}),
    "adagrad, a skip, another activation": ("deep-sigmoid", {2: {"optimizer": "adagrad", "skip": "scaled", "activation": "elu"}}),
    "another cell": ("forgetful-rnn", {2: {"cell": "lstm"}, 5: {"clip": "norm"}}),
    "two networks and their noise": ("wgan", {4: {"lipschitz": "gradient_penalty"}}),
    "spectral norm put on and taken off": ("wgan", {2: {"lipschitz": "spectral_norm", "optimizer": "adam"}, 5: {"lipschitz": "off"}}),
    "spectral norm still on": ("wgan", {2: {"lipschitz": "spectral_norm"}}),
    "half precision": ("half-precision", {3: {"loss_scale": 256}}),
}


@pytest.mark.parametrize("case", CASES)
def test_going_on_from_a_checkpoint_is_going_on(case: str, tmp_path: Path) -> None:
    name, changes = CASES[case]
    through, uninterrupted, resumed, after = both(scenarios.load(name), changes, tmp_path / "kept")
    assert after == uninterrupted
    assert resumed.step == through.step == 16
    for a, b in zip(through.learners, resumed.learners, strict=True):
        assert a.state().parameters == b.state().parameters  # the order in which norms are summed
        kept = dict(b.model.named_parameters())
        assert all(torch.equal(parameter, kept[name]) for name, parameter in a.model.named_parameters())


def dropping() -> nn.Module:
    """A network of somebody's own, which draws random numbers in every forward pass and keeps a buffer out of its state_dict."""
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10))
    model.register_buffer("unsaved", torch.zeros(1), persistent=False)
    return model


def test_a_users_own_network_with_dropout_goes_on(tmp_path: Path) -> None:
    _, uninterrupted, _, after = both(own("tests.lab.test_checkpoint:dropping", "digits"), {4: {"activation": "tanh"}}, tmp_path / "kept")
    assert after == uninterrupted


def test_a_checkpoint_shares_nothing_with_the_training(tmp_path: Path) -> None:
    scenario = scenarios.load("deep-sigmoid")
    session = begin(scenario, toggles.initial(scenario), 0, CPU)
    train(session, 4, {})
    kept = checkpoint.take(session, 0)
    first = train(checkpoint.resume(kept, CPU), 3, {})
    train(session, 3, {})
    assert train(checkpoint.resume(kept, CPU), 3, {}) == first


def test_noise_that_another_kind_of_device_drew_begins_anew(tmp_path: Path) -> None:
    """The generators' states fit their own kind of device only; the networks, the batches and the settings go on."""
    scenario = scenarios.load("wgan")
    session = begin(scenario, toggles.initial(scenario), 3, CPU)
    train(session, 4, {})
    kept = checkpoint.take(session, 3)
    elsewhere = replace(kept, device="cuda", generators=[torch.zeros(16, dtype=torch.uint8)] * 2, device_random=torch.zeros(16))
    resumed = checkpoint.resume(elsewhere, CPU)
    assert [generator.initial_seed() for generator in resumed.generators] == [7, 7]
    for mine, theirs in zip(resumed.learners, session.learners, strict=True):
        assert all(torch.equal(tensor, theirs.state().tensors[name]) for name, tensor in mine.state().tensors.items())
    assert train(resumed, 3, {}) == train(checkpoint.resume(elsewhere, CPU), 3, {})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", ["adam, a warm-up under way", "adagrad, a skip, another activation", "two networks and their noise"])
def test_a_checkpoint_goes_from_device_to_device(case: str, tmp_path: Path) -> None:
    """On the GPU it goes on as there, and what was taken there is gone on with here: optimizers keep their state where they want it."""
    cuda = torch.device("cuda", 0)
    name, changes = CASES[case]
    _, uninterrupted, resumed, after = both(scenarios.load(name), changes, tmp_path / "kept", cuda)
    assert after.loss == pytest.approx(uninterrupted.loss, rel=1e-3)
    assert resumed.learners[0].device == cuda
    kept = checkpoint.take(resumed, 3)
    assert all(tensor.device == CPU for state in kept.learners for tensor in state.tensors.values())
    here = checkpoint.resume(kept, CPU)
    assert here.learners[0].device == CPU
    assert math.isfinite(train(here, 3, {}).loss)
    back = checkpoint.resume(checkpoint.take(here, 3), cuda)
    assert math.isfinite(train(back, 3, {}).loss)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_dropout_on_a_gpu_goes_on(tmp_path: Path) -> None:
    cuda = torch.device("cuda", 0)
    _, uninterrupted, _, after = both(own("tests.lab.test_checkpoint:dropping", "digits"), {}, tmp_path / "kept", cuda)
    assert after.loss == pytest.approx(uninterrupted.loss, rel=1e-3)
