"""One training in the lab: a learner, its data and the toggles as they stand, a step at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from gradtui.lab import data, models, toggles
from gradtui.lab.errors import SettingError
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
        self.data = data.load(scenario.data).to(device)
        self._batches = self.data.batches(int(self.settings["batch"]), seed)
        model = models.build(scenario, self.settings, self.data).to(device)
        self.learner = Learner(model, self.settings, lambda model: model(self.data.test_x[:2]))

    @property
    def layers(self) -> list[Layer]:
        return self.learner.probe.layers

    def take_step(self, *, measure: bool) -> Measured | None:
        """Train on one batch; with `measure`, also the statistics of a frame."""
        x, y = next(self._batches)
        measured = self.learner.update(lambda: F.cross_entropy(self.learner.model(x), y), measure=measure)
        self.step += 1
        return measured

    @torch.no_grad()
    def evaluate(self) -> None:
        """Bring `metrics` up to date on the test set."""
        model = self.learner.model.eval()
        right = model(self.data.test_x).argmax(1) == self.data.test_y
        self.metrics = {"accuracy": right.float().mean().item()}
        model.train()

    def set(self, key: str, value: Value) -> tuple[Value, str]:
        """Bring a toggle into force between two steps; returns the value as kept and a note. Raises SettingError."""
        value = toggles.check(self.scenario, key, value)
        toggle = toggles.declared(key)
        before, self.settings[key] = self.settings[key], value
        if not toggle.live:
            return value, "in force at the next restart"
        try:
            return value, toggle.apply(self.learner, self.settings)
        except SettingError:
            self.settings[key] = before
            raise
