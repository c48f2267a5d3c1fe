"""A GAN whose critic makes as many steps for each of the generator's as a test wants, watched, with what its frames have to say."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradtui
from tests.watch.recordings import Recording, gradient_norms, norm


class Gan:
    """Watched as `options` say. `wrap`: what the loop calls in place of a network; `ranks`: how many processes train it."""

    def __init__(
        self, path: Path, wrap: Callable[[nn.Module], nn.Module] = lambda network: network, ranks: int = 1, **options: Any
    ) -> None:
        torch.manual_seed(0)
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        networks = {"critic": self.critic, "generator": self.generator}
        self.called = {name: wrap(network) for name, network in networks.items()}
        self.optimizers = [torch.optim.SGD(network.parameters(), 0.01) for network in networks.values()]
        self.path = path
        self.ranks = ranks
        self.run = gradtui.watch(networks, self.optimizers, run_dir=path, **options)
        self.of_critic: dict[str, float] = {}
        self.local = {"critic": 0.0, "generator": 0.0}
        """The norm of this process's own gradients, of each network's last step."""
        self.together: dict[int, tuple[dict[str, float], dict[str, float], float]] = {}
        """By the run's step: what the critic stepped with last, and the generator; and the norm of this process's own, of both."""

    def train_critic(self) -> None:
        self.optimizers[0].zero_grad()
        noise, real = torch.randn(16, 3), torch.randn(16, 2)
        self.local["critic"] = own_norm(self.critic, lambda critic: _critic_loss(critic, self.generator(noise), real))
        _critic_loss(self.called["critic"], self.called["generator"](noise), real).backward()  # type: ignore[no-untyped-call]
        self.of_critic = gradient_norms(self.critic, ("0", "2"))
        self.optimizers[0].step()
        if self.run.step in self.together:
            self._note(self.together[self.run.step][1])

    def train_generator(self) -> None:
        self.optimizers[1].zero_grad()
        noise = torch.randn(16, 3)
        self.local["generator"] = own_norm(self.generator, lambda generator: -self.critic(generator(noise)).mean())
        (-self.called["critic"](self.called["generator"](noise)).mean()).backward()
        norms = gradient_norms(self.generator, ("0", "2"))
        self.optimizers[1].step()
        self._note(norms)

    def _note(self, of_generator: dict[str, float]) -> None:
        self.together[self.run.step] = self.of_critic, of_generator, math.hypot(*self.local.values())

    def check(self) -> list[int]:
        """The frames' steps, of which each has the numbers of one round."""
        self.run.close()
        recording = Recording(self.path)
        for frame in recording.frames:
            *of_networks, local = self.together[frame.step]
            for group, norms in zip(("critic", "generator"), of_networks, strict=True):
                for layer, value in norms.items():
                    assert recording.at(frame.step, "grad_norm", layer, group) == pytest.approx(value, rel=1e-5), (frame.step, group)
            # δ at the critic's output is that of its own loss, ±1/16 for each of 32 points, also where the generator's passed it since.
            if frame.delta_rms:
                assert recording.at(frame.step, "delta_rms", "2", "critic") == pytest.approx(1 / 16 / self.ranks, rel=1e-5)
            if frame.delta_rms and self.ranks > 1:
                here = "rank_norm_min" if frame.metrics["rank_of_max"] else "rank_norm_max"
                assert frame.metrics[here] == pytest.approx(local, rel=1e-5), frame.step
        assert all(recording.frames[-1].delta_rms)
        return [frame.step for frame in recording.frames]


def own_norm(network: nn.Module, loss: Callable[[nn.Module], Tensor]) -> float:
    """The norm of the gradient of `loss` of the network as it stands, taken on a copy of it."""
    twin = copy.deepcopy(network)
    return norm(*torch.autograd.grad(loss(twin), list(twin.parameters())))


def _critic_loss(critic: nn.Module, generated: Tensor, real: Tensor) -> Tensor:
    loss: Tensor = critic(generated.detach()).mean() - critic(real).mean()
    return loss
