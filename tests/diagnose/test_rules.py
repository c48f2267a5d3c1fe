"""The table of rules: the fewest frames and steps after which each can open, which a report tells by, are what they really are."""

from __future__ import annotations

from typing import Any

import pytest

from gradtui.diagnose.hysteresis import Rule
from gradtui.diagnose.rules import RULES
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Toggle
from tests.diagnose.streams import TOGGLES, frame, hello

NAN = float("nan")
STEPS = 110

WORST: dict[str, dict[str, Any]] = {
    "non-finite": {"loss": NAN},
    "update-too-large": {"update_ratio": [5.0] * 5},
    "no-gradient": {"grad_norm": [None, 0.1, 0.1, 0.1, 0.1]},
    "vanishing": {"tilt": -9.0},
    "exploding": {"tilt": 9.0},
    "dead-units": {"dead": [1.0] * 5},
    "underflow": {"grad_subnormal": [0.9] * 5},
    "symmetry": {"effective_units": [1.0] * 5},
    "penalty-hides-vanishing": {"tilt": -9.0, "penalty_norm": [99.0] * 5},
    "update-too-small": {"update_ratio": [0.0] * 5},
    "saturated": {"saturated": [1.0] * 5},
    "clipping-too-low": {"total_norm": 1e9, "clipped_norm": 1.0},
}
"""A frame that is as ill as can be, of each illness that a single frame can show."""


def opening(code: str, steps: list[int]) -> int | None:
    """The number of frames after which the rule opens, where every frame at these steps is as ill as can be."""
    toggles = [*TOGGLES, Toggle(key="data", label="data", kind="choice", value="digits", choices=["digits"])]
    toggles += [Toggle(key="precision", label="precision", kind="choice", value="fp16", choices=["fp16"])] if code == "underflow" else []
    state = RunState()
    state.apply(hello(settings={"clip": "norm"} if code == "clipping-too-low" else {}, toggles=toggles))
    for number, step in enumerate(steps, 1):
        changes = WORST.get(code, {})
        if code == "divergence" and number > 5:
            changes = {"loss": 1e9}
        if code in [edge.code for edge in state.apply(frame(step, **changes))]:
            return number
    return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_no_rule_can_open_before_and_each_can_open_then(rule: Rule) -> None:
    assert opening(rule.code, list(range(STEPS))) == max(rule.frames, rule.steps)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_fewest_frames_are_enough_where_they_span_many_steps(rule: Rule) -> None:
    """The last of them a thousand steps on; those before come late enough, too, and close together."""
    steps = [100 + i for i in range(rule.frames - 1)] + [1100]
    if rule.code == "exploding":
        steps = [0]  # at the first step one is enough
    assert opening(rule.code, steps) == rule.frames
