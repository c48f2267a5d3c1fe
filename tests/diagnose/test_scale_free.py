"""No warning but underflow depends on the loss's units: with all that scales with the loss times 2^k and lr / 2^k, none changes.

Underflow is about the number format's own range, which is no one's to scale. The lab's trainings say the same of real steps.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gradtui.diagnose.rules import RULES
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Frame, Toggle
from tests.diagnose.streams import TOGGLES, frame, hello

WITH_LOSS = ("delta_rms", "grad_norm", "grad_norm_min", "grad_norm_max", "grad_rms", "grad_max", "penalty_norm")
NAN = float("nan")

SICK: dict[str, list[dict[str, Any]]] = {
    "non-finite": [{}] * 2 + [{"activation_std": [1.0, NAN, NAN, NAN, NAN], "loss": NAN}] * 3,
    "update-too-large": [{"update_ratio": [1e-3, 2.0, 1e-3, 1e-3, 1e-3]}] * 3 + [{}] * 12,
    "divergence": [{}] * 6 + [{"loss": 30.0}] * 9 + [{}] * 12,
    "no-gradient": [{"grad_norm": [None, 0.1, 0.1, 0.1, 0.1]}] * 5 + [{}] * 3,
    "vanishing": [{"tilt": -2.5}] * 9 + [{"tilt": -3.5}] * 9 + [{}] * 12,
    "exploding": [{"tilt": 2.1}] * 6 + [{"tilt": 2.1, "update_ratio": [2.0] * 5}] * 3 + [{}] * 12,
    "dead-units": [{"dead": [0.1, 0.95, 0.1, 0.1, None]}] * 5 + [{}] * 6,
    "symmetry": [{"effective_units": [1.0] * 5}] * 3 + [{"effective_units": [12.0] * 5}] * 5,
    "penalty-hides-vanishing": [{"tilt": -2.5, "penalty_norm": [2.0] * 5}] * 9 + [{}] * 12,
    "update-too-small": [{"update_ratio": [1e-6] + [1e-3] * 4}] * 20 + [{}] * 5,
    "saturated": [{"saturated": [0.9, 0.9, 0.3, 0.3, None]}] * 5 + [{"saturated": [0.1] * 4 + [None]}] * 5,
    "clipping-too-low": [{"total_norm": 170.0, "clipped_norm": 1.0}] * 80 + [{}] * 80,
    "plateau": [{}] * 50 + [{"loss": 1.0}] * 20,
}
"""What each rule opens, and mostly closes, on; frames are five steps apart."""

Edge = tuple[int, str, str, str, tuple[str, ...], tuple[str, ...]]


def scaled(found: Frame, factor: float) -> Frame:
    changes: dict[str, Any] = {name: [value and value * factor for value in getattr(found, name)] for name in WITH_LOSS}
    changes |= {name: value and value * factor for name in ("loss", "total_norm", "clipped_norm") if (value := getattr(found, name))}
    return msgspec.structs.replace(found, lr=(found.lr or 0.0) / factor, **changes)


def edges(code: str, factor: float) -> list[Edge]:
    toggles = [*TOGGLES, Toggle(key="data", label="data", kind="choice", value="digits", choices=["digits"])]
    settings = {"clip": "norm"} if code == "clipping-too-low" else {}
    state = RunState()
    state.apply(hello(settings=settings, toggles=toggles, scenario={"options": {"loss_factor": factor}}))
    frames = [scaled(frame(5 * i, **changes), factor) for i, changes in enumerate(SICK[code])]
    return [
        (w.step, w.code, w.state, w.severity, tuple(w.layers), tuple(t.toggle for t in w.try_))
        for found in frames
        for w in state.apply(found)
    ]


def test_every_rule_but_underflow_is_here() -> None:
    assert set(SICK) == {rule.code for rule in RULES} - {"underflow"}


@pytest.mark.parametrize("code", SICK)
def test_no_edge_changes_with_the_losss_units(code: str) -> None:
    plain = edges(code, 1.0)
    assert code in {edge[1] for edge in plain}
    assert edges(code, 2.0**-20) == plain
    assert edges(code, 2.0**20) == plain
