"""One training in the lab: a learner, its data and the toggles as they stand, a step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gradtui.lab import data, models, objective, toggles
from gradtui.lab.declaration import Declaration
from gradtui.lab.errors import SettingError
from gradtui.lab.families import is_own
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.scenario import Scenario
from gradtui.stream.events import Layer, Value


class Session:
    """A scenario being trained. Not thread-safe: commands reach it between two steps."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> None:
        self.scenario = scenario
        self.settings: dict[str, Value] = dict(settings)
        self.step = 0
        """Steps taken so far."""
        self.metrics: dict[str, float] = {}
        torch.manual_seed(seed)
        self.data = data.load(str(self.settings.get("data", scenario.data)), seed).to(device)
        self._loss_factor = float(scenario.options.get("loss_factor", 1.0)) if not is_own(scenario.model) else 1.0
        self._batches = self.data.batches(int(self.settings["batch"]), seed)
        model = models.build(scenario, self.settings, self.data).to(device)
        self.learner = Learner(model, self.settings, lambda model: model(self.data.test_x[:2]))

    @property
    def layers(self) -> list[Layer]:
        return self.learner.probe.layers

    def take_step(self, *, measure: bool) -> Measured | None:
        """Train on one batch; with `measure`, also the statistics of a frame."""
        x, y = next(self._batches)
        measured = self.learner.update(lambda: self._loss(x, y), measure=measure)
        self.step += 1
        return measured

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        loss = objective.loss(self.data, self.learner.model(x), y)
        return loss if self._loss_factor == 1 else loss * self._loss_factor

    @property
    def learners(self) -> list[Learner]:
        return [self.learner]

    @property
    def generators(self) -> list[torch.Generator]:
        """Sources of random numbers of its own, beside torch's and the batches'."""
        return []

    def pass_over(self, steps: int) -> None:
        """Count `steps` more steps as taken, their batches with them."""
        for _ in range(steps):
            next(self._batches)
        self.step += steps

    def evaluate(self) -> None:
        """Bring `metrics` up to date on the test set."""
        self.metrics = objective.metrics(self.data, self.learner.model)

    def set(self, key: str, value: Value) -> tuple[Value, str]:
        """Bring a toggle into force between two steps; returns the value as kept and a note. Raises SettingError."""
        return set_toggle(self.scenario, self.settings, key, value, lambda toggle: toggle.apply(self.learner, self.settings))


def set_toggle(
    scenario: Scenario, settings: dict[str, Value], key: str, value: Value, apply: Callable[[Declaration], str]
) -> tuple[Value, str]:
    """Keep a toggle's value in `settings` and, where it is live, `apply` it, which returns a note; a refusal leaves all as it was.

    Returns the value as kept, and the note. Raises SettingError.
    """
    value = toggles.check(scenario, key, value)
    toggle = toggles.declared(key)
    before, settings[key] = settings[key], value
    if not toggle.live:
        return value, "in force at the next restart"
    try:
        return value, apply(toggle)
    except SettingError:
        settings[key] = before
        raise
