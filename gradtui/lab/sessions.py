"""Which session trains a scenario: most have one network and one loss, a GAN has two of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from gradtui.lab.gan import GanSession
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.scenario import Scenario
from gradtui.lab.session import Session
from gradtui.stream.events import Layer, Value


class Training(Protocol):
    """What the loop, and a checkpoint, need of a session."""

    scenario: Scenario
    settings: dict[str, Value]
    step: int
    metrics: dict[str, float]

    @property
    def layers(self) -> list[Layer]: ...

    def take_step(self, *, measure: bool) -> Measured | None: ...

    @property
    def learners(self) -> list[Learner]: ...

    @property
    def generators(self) -> list[torch.Generator]: ...

    def pass_over(self, steps: int) -> None: ...

    def evaluate(self) -> None: ...

    def set(self, key: str, value: Value) -> tuple[Value, str]: ...


def begin(scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> Training:
    """A session of `scenario` before its first step. Raises SettingError."""
    kind = GanSession if scenario.model == "wgan" else Session
    return kind(scenario, settings, seed, device)
