"""Which rules have not been able to speak: their silence is no health."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gradtui.diagnose.rules import RULES
from gradtui.diagnose.state import RunState
from gradtui.diagnose.words import counted

NO_BEGINNING = "no warning could be opened: which layers the numbers are of is not known"


class Unjudged(Struct, kw_only=True):
    """A rule that could not have spoken in the last attempt: that it is silent says nothing."""

    code: str
    why: str
    """`too-few` frames or steps; `not-measured`: no frame held what it reads; `no-beginning`: the recording's layers are not known."""
    frames: int
    """The fewest frames that it can open after …"""
    steps: int
    """… and the fewest steps that they must span."""


def unjudged(state: RunState) -> Iterator[Unjudged]:
    judged = state.judged
    for rule in RULES:
        blind = state.frames - judged[rule.code] if rule.profile and judged.get(rule.code) else 0
        few = state.frames < rule.frames + blind or state.steps < rule.steps
        why = "no-beginning" if not judged else "too-few" if few else "" if judged[rule.code] else "not-measured"
        if why:
            yield Unjudged(code=rule.code, why=why, frames=rule.frames + blind, steps=rule.steps)


def too_few(frames: int, steps: int) -> str:
    return f"{counted(frames, 'frame')} over {counted(steps, 'step')} {'is' if frames == 1 else 'are'} too few"


def needs(rule: Unjudged) -> str:
    """`vanishing (needs 5 frames)`: what it takes for a rule to speak."""
    steps = f" over {rule.steps} steps" if rule.steps > 1 else ""
    return f"{rule.code} (needs {counted(rule.frames, 'frame')}{steps})"
