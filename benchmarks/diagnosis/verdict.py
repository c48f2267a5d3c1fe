"""What is kept of one training of the bank."""

from __future__ import annotations

from msgspec import Struct


class Verdict(Struct, kw_only=True):
    """One training's outcome, and the first step at which each rule spoke."""

    seed: int
    family: str
    score: float
    """(accuracy - chance) / (1 - chance) on the test set at the last step."""
    finite: bool
    steps: int
    ours: dict[str, int]
    """By code, of warnings more severe than information."""
    informed: dict[str, int]
    """By code, at any severity."""
    published: dict[str, int]
