"""Rules that others have published, on the same runs: written anew from their papers, documentation and tables of defaults.

They read what theirs read: gradients as the optimizer sees them, after the regulariser's share and clipping. Each gives the
first step at which it speaks, or None. What needs epochs, or fires on nearly everything (a loss that does not fall by .1 % in
ten steps), is left out; so are gates that the tools apply, save AUTOTRAINER's, which is shown both ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct


class Seen(Struct, kw_only=True):
    """One frame as a published rule sees it; kernels are the parameters of two dimensions or more, in network order."""

    step: int
    share: float
    """Of the training's steps."""
    loss: float
    accuracy: float
    total_norm: float
    mean_abs: list[float]
    """Of each kernel's gradient."""
    norms: list[float]
    """Of each kernel's gradient."""
    zeros: float
    """The share of gradient entries that are exactly 0, over all kernels."""
    ratios: list[float]
    """|ΔW| / |W| by layer, where it is known."""
    dead: float
    """The worst layer's share of dead ReLUs."""
    variances: list[float]
    """Of each kernel's weights."""
    gradient_ratios: list[float]
    """lr · |g| / |W| of each kernel."""


Rule = Callable[[Sequence[Seen]], int | None]


def _first(seen: Sequence[Seen], holds: Callable[[Seen], bool]) -> int | None:
    return next((frame.step for frame in seen if holds(frame)), None)


def _finite(frame: Seen) -> bool:
    return all(map(math.isfinite, (frame.loss, *frame.norms)))


def _autotrainer_signs(frame: Seen) -> bool:
    if not _finite(frame):
        return True
    first, last = frame.norms[0], frame.norms[-1]
    vanishing = first < 1e-3 * last and first < 1e-4
    return vanishing or first > 70 * last or frame.zeros >= 0.7


def autotrainer(seen: Sequence[Seen]) -> int | None:
    """Zhang et al. 2021: first over last kernel's norm under 1e-3 and first under 1e-4, or over 70; zeros ≥ .7; NaN."""
    return _first(seen, _autotrainer_signs)


def autotrainer_gated(seen: Sequence[Seen]) -> int | None:
    """The same, spoken only after 30 % of the training while the accuracy is under .6, as the tool does."""
    return _first(seen, lambda frame: frame.share >= 0.3 and (frame.accuracy < 0.6 or not _finite(frame)) and _autotrainer_signs(frame))


def sagemaker(seen: Sequence[Seen]) -> int | None:
    """Mean |g| < 1e-7, NaN or infinity, over half of a layer's ReLUs dead, update ratio > 10 or < 1e-8."""

    def holds(frame: Seen) -> bool:
        ratios = any(ratio > 10 or ratio < 1e-8 for ratio in frame.ratios)
        return not _finite(frame) or min(frame.mean_abs) < 1e-7 or frame.dead > 0.5 or ratios

    return _first(seen, holds)


def thedeepchecker(seen: Sequence[Seen]) -> int | None:
    """Ben Braiek & Khomh 2023, from step 10, every 10: mean |g| < 1e-6 or > 1e6, or halved or doubled four times in a row; log10 of
    the update ratio > -1 or < -4; over half of a layer's ReLUs dead."""
    streaks: list[tuple[int, int]] = []
    before: list[float] = []
    for frame in seen:
        if frame.step < 10 or frame.step % 10:
            continue
        if not _finite(frame) or min(frame.mean_abs) < 1e-6 or max(frame.mean_abs) > 1e6 or frame.dead > 0.5:
            return frame.step
        if any(ratio > 1e-1 or ratio < 1e-4 for ratio in frame.ratios):
            return frame.step
        changes = [now / past if past else 1.0 for now, past in zip(frame.mean_abs, before, strict=True)] if before else []
        streaks = streaks or [(0, 0)] * len(frame.mean_abs)
        streaks = (
            [(low + 1 if c <= 0.5 else 0, high + 1 if c >= 2 else 0) for c, (low, high) in zip(changes, streaks, strict=True)]
            if changes
            else streaks
        )
        if any(max(streak) >= 4 for streak in streaks):
            return frame.step
        before = frame.mean_abs
    return None


def deepdiagnosis(seen: Sequence[Seen]) -> int | None:
    """Wardat et al. 2022: mean |g| < 1e-7; NaN, infinite or a mean of exactly 0; a weight variance < 1e-5 or > 10; lr·|g|/|W| outside
    1e-5 to 1e-1."""

    def holds(frame: Seen) -> bool:
        weights = any(variance < 1e-5 or variance > 10 for variance in frame.variances)
        steps = any(ratio < 1e-5 or ratio > 1e-1 for ratio in frame.gradient_ratios)
        return not _finite(frame) or min(frame.mean_abs) < 1e-7 or weights or steps

    return _first(seen, holds)


def global_norm(seen: Sequence[Seen]) -> int | None:
    """The gradient's norm over 10, or not finite."""
    return _first(seen, lambda frame: not frame.total_norm <= 10)


def update_ratio(seen: Sequence[Seen]) -> int | None:
    """The median layer's update ratio outside 1e-4 to 1e-2, a decade round the folklore's 1e-3."""
    return _first(seen, lambda frame: bool(frame.ratios) and not 1e-4 <= median(frame.ratios) <= 1e-2)


PUBLISHED: dict[str, Rule] = {
    "AUTOTRAINER, no gate": autotrainer,
    "AUTOTRAINER, gated on accuracy": autotrainer_gated,
    "SageMaker Debugger": sagemaker,
    "TheDeepChecker": thedeepchecker,
    "DeepDiagnosis": deepdiagnosis,
    "global norm > 10": global_norm,
    "update ratio 1e-4 to 1e-2": update_ratio,
}
