"""A Wasserstein GAN in the lab: two learners, each with its own loss, and one step of both.

A step is one generator iteration: some critic updates, each on a new batch, then one update of the generator. The frame's
critic rows are measured on the step's last critic update and the generator's on its own; the norms' extremes cover every
update since the last frame. Loss, total norm and clipped norm are the critic's: the two gradients are of two losses, and
the norm of both together would be of neither.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from gradtui.lab import models
from gradtui.lab.critic import Critic
from gradtui.lab.declaration import Declaration
from gradtui.lab.families import resolved
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.models.gan import GENERATOR
from gradtui.lab.scenario import Scenario
from gradtui.lab.training import Training
from gradtui.stream.events import Layer, Value

PROJECTIONS = 32
"""Directions that the sliced Wasserstein distance looks along, evenly spread over the half turn."""
OF_BOTH = ("optimizer", "lr", "warmup")
"""The toggles that act on the generator too."""


class GanSession(Training):
    """A GAN being trained. Toggles act on the critic, the optimizer's on both networks."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> None:
        super().__init__(scenario, settings, seed, device)
        options = resolved(scenario.model, scenario.options)
        self._critic_updates, self._latent = int(options["critic_updates"]), int(options["latent"])
        networks = models.build(scenario, self.settings, self.data).to(device)
        assert isinstance(networks, nn.ModuleDict)
        self._random = torch.Generator(device).manual_seed(seed)
        self._test_noise = self._noise(len(self.data.test_x))
        self.critic = Critic(networks["critic"], self.settings, lambda critic: critic(self.data.test_x[:2]), seed)
        self.critic.updates_a_step = self._critic_updates
        kept = ChainMap(dict(GENERATOR), self.settings)
        self.generator = Learner(networks["generator"], kept, lambda generator: generator(self._test_noise[:2]), group="generator")

    @property
    def layers(self) -> list[Layer]:
        return self.critic.probe.layers + self.generator.probe.layers

    def take_step(self, *, measure: bool) -> Measured | None:
        """Train both networks once."""
        for _ in range(self._critic_updates - 1):
            self._train_critic(measure=False)
        critic = self._train_critic(measure=measure)
        generator = self._train_generator(measure=measure)
        self.step += 1
        if critic is None or generator is None:
            return None
        return replace(critic, layers={name: numbers + generator.layers[name] for name, numbers in critic.layers.items()})

    @property
    def learners(self) -> list[Learner]:
        return [self.critic, self.generator]

    @property
    def generators(self) -> list[torch.Generator]:
        return [self._random, self.critic.random]

    def pass_over(self, steps: int) -> None:
        for _ in range(steps * self._critic_updates):
            next(self._batches)
        self.step += steps

    @torch.no_grad()
    def evaluate(self) -> None:
        """Bring `metrics` up to date: `sw1` is how far the generated points are from the test set's, 0 is there;
        `gradient_norm` is the critic's slope at the test set, which should be about 1; `at_bound` is the share of its
        weights that weight clipping holds."""
        self.metrics = {
            "sw1": sliced_wasserstein(self.generator.model(self._test_noise), self.data.test_x).item(),
            "gradient_norm": self.critic.slope_at(self.data.test_x),
        }
        if (share := self.critic.share_at_bound()) is not None:
            self.metrics["at_bound"] = share

    def _apply(self, toggle: Declaration) -> str:
        note = toggle.apply(self.critic, self.settings)
        if toggle.key not in OF_BOTH:
            return _joined(note, "on the critic")
        toggle.apply(self.generator, self.settings)
        return _joined(note, "on critic and generator")

    def _train_critic(self, *, measure: bool) -> Measured | None:
        real, _ = next(self._batches)
        with torch.no_grad():
            generated = self.generator.model(self._noise(len(real)))
        return self.critic.learn(real, generated, measure=measure)

    def _train_generator(self, *, measure: bool) -> Measured | None:
        noise = self._noise(int(self.settings["batch"]))
        with _constant(self.critic.model):
            return self.generator.update(lambda: -self.critic.model(self.generator.model(noise)).mean(), measure=measure)

    def _noise(self, count: int) -> Tensor:
        return torch.randn(count, self._latent, generator=self._random, device=self._random.device)


def _joined(note: str, where: str) -> str:
    return f"{note}; {where}" if note else where


@contextmanager
def _constant(model: nn.Module) -> Iterator[None]:
    """Gradients flow through `model` but none reaches its parameters, whose own must not be added to."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def sliced_wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance between two equally many points in the plane, [N, 2]: the mean over directions of the
    distance on the line, which matches the points in their order (Rabin et al. 2012)."""
    angles = torch.arange(PROJECTIONS, device=a.device, dtype=a.dtype) * torch.pi / PROJECTIONS
    directions = torch.stack([angles.cos(), angles.sin()])
    return ((a @ directions).sort(0).values - (b @ directions).sort(0).values).abs().mean()
