"""Which session trains a scenario: most have one network and one loss, a GAN has two of each."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from gradtui.lab.gan import GanSession
from gradtui.lab.scenario import Scenario
from gradtui.lab.session import Session
from gradtui.lab.training import Training
from gradtui.stream.events import Value

__all__ = ["Training", "begin"]


def begin(scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> Training:
    """A session of `scenario` before its first step. Raises SettingError."""
    kind = GanSession if scenario.model == "wgan" else Session
    return kind(scenario, settings, seed, device)
