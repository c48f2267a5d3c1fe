"""Patients for tests: small networks that are ill within a few steps."""

from __future__ import annotations

from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.patient import Patient
from gradtui.stream.events import Value

DEAD = """
title = "Dead"
shows = "All units dead from the start"
model = "mlp"
data = "digits"
steps = 40
every = 2
seed = 5
options = { bias = -1.5 }
settings = { depth = 3, width = 16, activation = "relu", init = "he", lr = 0.05, batch = 32 }
"""
"""Its warning opens at the frame of step 4."""


def patient(name: str = "dead-relu", **changes: Value) -> Patient:
    """A preset as the command line would admit it, with `changes` from the start."""
    scenario = scenarios.load(name)
    return Patient(name=name, scenario=scenario, settings=toggles.initial(scenario, changes), seed=scenario.seed)
