"""The training of one network on one loss: a learner and its data, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gradtui.lab import models, objective
from gradtui.lab.declaration import Declaration
from gradtui.lab.families import is_own
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.models import own
from gradtui.lab.scenario import Scenario
from gradtui.lab.training import Training
from gradtui.stream.events import Layer, Value


class Session(Training):
    """One network being trained."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> None:
        super().__init__(scenario, settings, seed, device)
        self._loss_factor = float(scenario.options.get("loss_factor", 1.0)) if not is_own(scenario.model) else 1.0
        model = models.build(scenario, self.settings, self.data).to(device)
        self.learner = Learner(model, self.settings, lambda model: own.look(scenario.model, model, self.data))

    @property
    def layers(self) -> list[Layer]:
        return self.learner.probe.layers

    @property
    def learners(self) -> list[Learner]:
        return [self.learner]

    def take_step(self, *, measure: bool) -> Measured | None:
        """Train on one batch."""
        x, y = next(self._batches)
        measured = self.learner.update(lambda: self._loss(x, y), measure=measure)
        self.step += 1
        return measured

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        loss = objective.loss(self.data, self.learner.model(x), y)
        return loss if self._loss_factor == 1 else loss * self._loss_factor

    def pass_over(self, steps: int) -> None:
        for _ in range(steps):
            next(self._batches)
        self.step += steps

    def evaluate(self) -> None:
        self.metrics = objective.metrics(self.data, self.learner.model)

    def _apply(self, toggle: Declaration) -> str:
        return toggle.apply(self.learner, self.settings)
