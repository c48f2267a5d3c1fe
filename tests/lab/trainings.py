"""Trainings for tests: a session of a preset or of a scenario made on the spot, its score, its profile."""

from __future__ import annotations

import math

import torch

from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.learner import Measured
from gradtui.lab.scenario import Scenario
from gradtui.lab.session import Session
from gradtui.stream.events import Value

CPU = torch.device("cpu")


def preset(name: str, seed: int = 0, **changes: Value) -> Session:
    """The preset `name` with `changes` in force from the start."""
    return begin(scenarios.load(name), seed, **changes)


def begin(scenario: Scenario, seed: int = 0, **changes: Value) -> Session:
    return Session(scenario, toggles.initial(scenario, changes), seed, CPU)


def own(model: str = "mlp", data: str = "digits", **options: Value) -> Scenario:
    """A scenario as a user's file would give it."""
    table = {"title": "T", "shows": "S", "model": model, "data": data, "options": options}
    return scenarios.check(table, "mine.toml")


def measured(session: Session) -> Measured:
    """One step with a frame's statistics."""
    found = session.take_step(measure=True)
    assert found is not None
    return found


def score(session: Session, steps: int) -> float:
    """(accuracy - chance) / (1 - chance) after `steps` more steps."""
    for _ in range(steps):
        session.take_step(measure=False)
    session.evaluate()
    chance = 1 / session.data.classes
    return (session.metrics["accuracy"] - chance) / (1 - chance)


def decades(found: Measured) -> float:
    """log10 delta of the first hidden layer minus that of the last; the read-out is no hidden layer."""
    first, last = found.layers["delta_rms"][0], found.layers["delta_rms"][-2]
    assert first is not None
    assert last is not None
    return math.log10(first / last)
