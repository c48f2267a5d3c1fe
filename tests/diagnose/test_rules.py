"""The table of rules: the fewest frames and steps after which each can open, which a report tells by, are what they really are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gradtui.diagnose.hysteresis import Rule
from gradtui.diagnose.page import load
from gradtui.diagnose.rules import RULES
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
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


BARE: dict[str, Any] = {"delta_rms": [], "activation_mean": [], "activation_std": [], "saturated": [], "dead": []}
"""What a loop of one's own that gives neither delta nor activations leaves out of each frame."""
SILENT = {"vanishing", "exploding", "penalty-hides-vanishing", "dead-units", "saturated"}
"""The rules that have nothing left to read then."""


def opening(code: str, steps: list[int], bare: bool = False) -> tuple[int, Warning] | None:
    """The number of frames after which the rule opens, where every frame at these steps is as ill as can be, and the warning."""
    toggles = [*TOGGLES, Toggle(key="data", label="data", kind="choice", value="digits", choices=["digits"])]
    toggles += [Toggle(key="precision", label="precision", kind="choice", value="fp16", choices=["fp16"])] if code == "underflow" else []
    state = RunState()
    state.apply(hello(settings={"clip": "norm"} if code == "clipping-too-low" else {}, toggles=toggles))
    for number, step in enumerate(steps, 1):
        changes = WORST.get(code, {})
        if code == "divergence" and number > 5:
            changes = {"loss": 1e9}
        for edge in state.apply(frame(step, **changes | (BARE if bare else {}))):
            if edge.code == code:
                return number, edge
    return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_no_rule_can_open_before_and_each_can_open_then(rule: Rule) -> None:
    found = opening(rule.code, list(range(STEPS)))
    assert found is not None
    assert found[0] == max(rule.frames, rule.steps)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_fewest_frames_are_enough_where_they_span_many_steps(rule: Rule) -> None:
    """The last of them a thousand steps on; those before come late enough, too, and close together."""
    steps = [100 + i for i in range(rule.frames - 1)] + [1100]
    if rule.code == "exploding":
        steps = [0]  # at the first step one is enough
    found = opening(rule.code, steps)
    assert found is not None
    assert found[0] == rule.frames


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_sentence_says_what_against_which_threshold_since_when_and_why(rule: Rule) -> None:
    found = opening(rule.code, list(range(STEPS)))
    assert found is not None
    number, warning = found
    sentence = warning.evidence.sentence
    what, colon, why = sentence.rpartition(": ")
    assert colon
    assert len(why.split()) > 2
    assert re.search(r"\bstep \d+", what)
    assert 0 <= warning.evidence.numbers["since"] < number
    if rule.code not in ("non-finite", "no-gradient"):  # there one is enough
        assert "threshold " in sentence
        assert "threshold" in warning.evidence.numbers
    assert warning.severity in {level.severity for level in rule.levels}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_without_delta_and_activations_each_rule_tells_what_it_still_can(rule: Rule) -> None:
    """And the page behind it says which it is."""
    found = opening(rule.code, list(range(STEPS)), bare=True)
    without = load(rule.code).without
    assert (found is None) == (rule.code in SILENT)
    assert ("silent" in without or without.startswith("Needs δ")) == (rule.code in SILENT)
    if found is not None:
        assert found[0] == max(rule.frames, rule.steps)
