"""A GAN whose critic makes several steps for each of the generator's: a frame is of a step in which both step."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradtui
from tests.probe.steps import count_hooks
from tests.watch.recordings import Recording, close_to, gradient_norms


class Gan:
    """Watched as `options` say."""

    def __init__(self, path: Path, **options: Any) -> None:
        torch.manual_seed(0)
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        networks = {"critic": self.critic, "generator": self.generator}
        self.optimizers = [torch.optim.SGD(network.parameters(), 0.01) for network in networks.values()]
        self.path = path
        self.run = gradtui.watch(networks, self.optimizers, run_dir=path, **options)
        self.of_critic: dict[str, float] = {}
        self.together: dict[int, tuple[dict[str, float], dict[str, float]]] = {}
        """By the run's step: what the critic stepped with last, and the generator."""

    def train_critic(self) -> None:
        self.optimizers[0].zero_grad()
        (self.critic(self.generator(torch.randn(16, 3)).detach()).mean() - self.critic(torch.randn(16, 2)).mean()).backward()
        self.of_critic = gradient_norms(self.critic, ("0", "2"))
        self.optimizers[0].step()
        if self.run.step in self.together:
            self.together[self.run.step] = self.of_critic, self.together[self.run.step][1]

    def train_generator(self) -> None:
        self.optimizers[1].zero_grad()
        (-self.critic(self.generator(torch.randn(16, 3))).mean()).backward()
        norms = gradient_norms(self.generator, ("0", "2"))
        self.optimizers[1].step()
        self.together[self.run.step] = self.of_critic, norms

    def check(self) -> list[int]:
        """The frames' steps, of which each has the numbers of one round."""
        self.run.close()
        recording = Recording(self.path)
        for frame in recording.frames:
            for group, norms in zip(("critic", "generator"), self.together[frame.step], strict=True):
                for layer, value in norms.items():
                    assert recording.at(frame.step, "grad_norm", layer, group) == close_to(value), (frame.step, group)
            # δ at the critic's output is that of its own loss, ±1/16 for each of 32 points, also where the generator's passed it since.
            if frame.delta_rms:
                assert recording.at(frame.step, "delta_rms", "2", "critic") == pytest.approx(1 / 16, rel=1e-5)
        assert all(recording.frames[-1].delta_rms)
        return [frame.step for frame in recording.frames]


def five(round: int) -> int:
    return 5


def fewer_later(round: int) -> int:
    return 5 if round < 4 else 2


def at_random(round: int) -> int:
    return random.Random(round).randint(1, 4)


@pytest.mark.parametrize("often", [five, fewer_later, at_random])
@pytest.mark.parametrize("generator_first", [False, True])
@pytest.mark.parametrize("every", [1, 7])
def test_a_frame_is_of_one_round_and_every_due_one_comes(
    tmp_path: Path, often: Callable[[int], int], generator_first: bool, every: int
) -> None:
    gan = Gan(tmp_path, every=every)
    for round in range(10):
        if generator_first:
            gan.train_generator()
        for _ in range(often(round)):
            gan.train_critic()
        if not generator_first:
            gan.train_generator()
    steps = gan.check()
    rounds = len(gan.together)
    assert len(steps) >= (0.7 * rounds if every == 1 else 0.5 * gan.run.step / every)


def test_a_regular_round_costs_one_measured_step_of_the_critic(tmp_path: Path) -> None:
    gan = Gan(tmp_path, every=1)
    armed = []
    for _ in range(8):
        for _ in range(5):
            armed.append(count_hooks(gan.critic) > 0)
            gan.train_critic()
        gan.train_generator()
    assert armed[-20:] == 4 * [False, False, False, False, True]
    assert gan.check() == list(range(4, 40, 5))


def test_by_the_clock_too(tmp_path: Path) -> None:
    gan = Gan(tmp_path, rate=200.0)
    for _ in range(150):
        for _ in range(5):
            gan.train_critic()
        gan.train_generator()
    assert len(gan.check()) >= 8
