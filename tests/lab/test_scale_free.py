"""No warning depends on the loss's units: times a power of two, with the learning rate divided by it, plain SGD takes the same steps."""

from __future__ import annotations

import msgspec
import pytest
import torch

from gradtui.diagnose.state import RunState
from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.hello import hello
from tests.lab.trainings import begin

Edge = tuple[int, str, str, str, tuple[str, ...]]


def edges(name: str, factor: float, steps: int) -> list[Edge]:
    """Every warning's edge of a preset whose loss is multiplied by `factor`."""
    scenario = scenarios.load(name)
    scaled = msgspec.structs.replace(scenario, options={**scenario.options, "loss_factor": factor})
    lr = float(toggles.initial(scenario)["lr"])
    session = begin(scaled, lr=lr / factor)
    about = {"model": scaled.model, "data": scaled.data, "options": dict(scaled.options)}
    state = RunState()
    state.apply(hello(session, torch.device("cpu"), run="r", scenario=about, seed=0))
    found: list[Edge] = []
    for step in range(steps):
        measured = session.take_step(measure=step % 5 == 0)
        if measured:
            found += [(w.step, w.code, w.state, w.severity, tuple(w.layers)) for w in state.apply(measured.frame(step, {}))]
    return found


@pytest.mark.parametrize(("name", "steps"), [("deep-sigmoid", 110), ("exploding-relu", 20), ("dying-relu", 70), ("dead-relu", 110)])
def test_the_same_warnings_in_the_same_layers_at_the_same_steps(name: str, steps: int) -> None:
    plain = edges(name, 1.0, steps)
    assert plain
    assert edges(name, 2.0**-12, steps) == plain
    assert edges(name, 2.0**8, steps) == plain
