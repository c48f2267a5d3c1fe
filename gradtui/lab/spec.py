"""What a trainer is told when it starts; everything later reaches it through commands.jsonl. Imports no torch."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gradtui.lab.scenario import Scenario
from gradtui.lab.toggles import Scheduled
from gradtui.stream.events import Value

ENVIRONMENT = "GRADTUI_SPEC"
"""The environment variable that carries the Spec as JSON to the trainer's process."""


class Spec(Struct, frozen=True, kw_only=True):
    """One training: the scenario, the toggles it starts with, and how it is watched."""

    name: str
    scenario: Scenario
    settings: dict[str, Value]
    """Every toggle that applies, as toggles.initial gives them."""
    schedule: list[Scheduled] = []
    seed: int = 0
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    steps: int | None = None
    """None: until it is stopped."""
    every: int | None = None
    """Frames by the step (then the same seed gives the same events) …"""
    rate: float | None = None
    """… or by the clock, in frames a second. Exactly one of the two is set."""
    lifeline: bool = True
    """Stop when standard input ends, as it does when the viewer that started it is gone."""


def encode(spec: Spec) -> str:
    return msgspec.json.encode(spec).decode()


def decode(text: str) -> Spec:
    """Raises msgspec.DecodeError on anything else than encode's text."""
    return msgspec.json.decode(text, type=Spec)
