"""What every training in the lab has, and what the loop and a checkpoint need of it, whatever networks it trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch

from gradtui.lab import data, toggles
from gradtui.lab.declaration import Declaration
from gradtui.lab.errors import SettingError
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.scenario import Scenario
from gradtui.stream.events import AGAIN, Layer, Value


class Training(ABC):
    """A scenario being trained. Not thread-safe: commands reach it between two steps."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> None:
        """Seeds torch, too: what draws random numbers after this draws the same ones each time. Raises SettingError."""
        self.scenario = scenario
        self.settings: dict[str, Value] = dict(settings)
        self.step = 0
        """Steps taken so far."""
        self.metrics: dict[str, float] = {}
        torch.manual_seed(seed)
        self.data = data.load(str(self.settings.get("data", scenario.data)), seed).to(device)
        self._batches = self.data.batches(int(self.settings["batch"]), seed)

    @property
    @abstractmethod
    def layers(self) -> list[Layer]: ...

    @property
    @abstractmethod
    def learners(self) -> list[Learner]: ...

    @property
    def generators(self) -> list[torch.Generator]:
        """Sources of random numbers of its own, beside torch's and the batches'."""
        return []

    @abstractmethod
    def take_step(self, *, measure: bool) -> Measured | None:
        """Train for one step; with `measure`, also the statistics of a frame."""

    @abstractmethod
    def pass_over(self, steps: int) -> None:
        """Count `steps` more steps as taken, their batches with them."""

    @abstractmethod
    def evaluate(self) -> None:
        """Bring `metrics` up to date on the test set."""

    def set(self, key: str, value: Value) -> tuple[Value, str]:
        """Bring a toggle into force between two steps, or leave all as it was; returns the value as kept and a note.

        Raises SettingError.
        """
        value = toggles.check(self.scenario, key, value)
        toggle = toggles.declared(key)
        before, self.settings[key] = self.settings[key], value
        if not toggle.live:
            return value, "in force at the next restart"
        if value == before and key not in AGAIN:
            return value, ""  # nothing that was learned is set afresh for it
        try:
            return value, self._apply(toggle)
        except SettingError:
            self.settings[key] = before
            raise

    @abstractmethod
    def _apply(self, toggle: Declaration) -> str:
        """Bring a live toggle, as `settings` has it, into force; returns a note. Raises SettingError."""
