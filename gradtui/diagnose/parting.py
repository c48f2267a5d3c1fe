"""Where two runs part: the first step at which their losses, their profiles or their warnings differ.

Frames by the clock come at other steps in each run: what is compared is the first run's frame with the second one's state at that
step, on a line between its frames before and after.
"""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from gradtui.diagnose.profile import log10
from gradtui.diagnose.words import full_name
from gradtui.stream.events import Event, Frame, Hello, Numbers

if TYPE_CHECKING:
    from gradtui.diagnose.state import RunState  # which imports every rule, and a screen that starts needs none

PARTED = 0.01
"""The share of the larger loss by which two must differ to have parted: same seeds on a CPU do not differ at all."""

PROFILES_PARTED = 0.3
"""Decades that one layer's delta must differ by: two batches of one network differ by less than this factor of 2."""

QUANTITIES = ("delta_rms", "grad_norm", "update_ratio", "activation_std")
"""What is kept of every frame and layer, under a tenth of what the recording holds: enough for its picture at any step."""


class Course:
    """What a run was at each of its frames; of the last attempt, where there are several."""

    def __init__(self) -> None:
        self._begin([])

    def _begin(self, layers: list[str]) -> None:
        self.layers = layers
        self.steps: list[int] = []
        self.open: list[frozenset[str]] = []
        self.loss_steps: list[int] = []
        self.losses: list[float] = []
        self._values: list[dict[str, array[float]]] = []

    def take(self, event: Event, state: RunState) -> None:
        """Take in an event that `state` has taken in already."""
        if isinstance(event, Hello):
            self._begin([full_name(layer) for layer in event.layers])
        elif isinstance(event, Frame) and (not self.steps or event.step > self.steps[-1]):
            self.steps.append(event.step)
            self.open.append(frozenset(state.open))
            self._values.append({name: _packed(getattr(event, name)) for name in QUANTITIES})
            if event.loss is not None:
                self.loss_steps.append(event.step)
                self.losses.append(event.loss)

    def at_or_before(self, step: int) -> int | None:
        """The index of the newest frame at or before `step`."""
        place = bisect.bisect_right(self.steps, step)
        return place - 1 if place else None

    def values(self, index: int, quantity: str) -> Numbers:
        """One of QUANTITIES at a frame, a number a layer; None where it was not measured, and for NaN."""
        return [None if math.isnan(value) else value for value in self._values[index][quantity]]

    def log(self, index: int, layer: int) -> float:
        """log10 delta of a layer at a frame; -inf: exactly zero, nan: not finite, or not measured."""
        delta = self._values[index]["delta_rms"]
        return log10(delta[layer]) if layer < len(delta) else math.nan


def _packed(values: Numbers) -> array[float]:
    return array("d", [math.nan if value is None else value for value in values])


class Parting(Struct, kw_only=True):
    """The first step at which the losses differed by more than the threshold."""

    step: int
    losses: list[float]
    threshold: float


class ProfileParting(Struct, kw_only=True):
    """The first step at which delta of a layer that both runs have differed by more than the threshold, in decades."""

    step: int
    layer: str
    """The one that differed most."""
    decades: float
    """log10 of the second run's over the first one's; infinite where one of them is exactly zero."""
    threshold: float


class WarningParting(Struct, kw_only=True):
    """The first step at which one run had a warning open that the other had neither at its frame before nor at the next."""

    step: int
    codes: list[list[str]]
    """Open in the first one only, and in the second one only."""


class Partings:
    """Follows two courses as they grow: the first run's steps, as far as the second one is known."""

    def __init__(self, threshold: float = PARTED) -> None:
        self.threshold = threshold
        self.forget()

    def forget(self) -> None:
        """One of the courses begins anew."""
        self.loss: Parting | None = None
        self.profile: ProfileParting | None = None
        self.warnings: WarningParting | None = None
        self.common_steps = 0
        """Steps of the first run at which both losses are known."""
        self._losses_seen = self._frames_seen = 0

    def follow(self, first: Course, second: Course) -> None:
        """Compare what has come since the last time."""
        while self._losses_seen < _known(first.loss_steps, second.loss_steps):
            self._compare_losses(first, second, self._losses_seen)
            self._losses_seen += 1
        places = {name: index for index, name in enumerate(second.layers)}
        shared = [(index, places[name]) for index, name in enumerate(first.layers) if name in places]
        while self._frames_seen < _known(first.steps, second.steps):
            self._compare_frames(first, second, self._frames_seen, shared)
            self._frames_seen += 1

    def _compare_losses(self, first: Course, second: Course, place: int) -> None:
        step, one = first.loss_steps[place], first.losses[place]
        between = _between(second.loss_steps, step)
        if between is None:
            return
        before, after, share = between
        other = _mixed(second.losses[before], second.losses[after], share)
        self.common_steps += 1
        near = second.losses[max(0, before - 1) : after + 2] if share else [other]
        if self.loss is None and all(_differ(one, known, self.threshold) for known in near) and not _within(one, near):
            self.loss = Parting(step=step, losses=[one, other], threshold=self.threshold)

    def _compare_frames(self, first: Course, second: Course, place: int, shared: Iterable[tuple[int, int]]) -> None:
        step = first.steps[place]
        between = _between(second.steps, step)
        if between is None:
            return
        before, after, share = between
        if self.profile is None:
            gaps = [
                (_gap(first.log(place, own), _mixed(second.log(before, other), second.log(after, other), share)), first.layers[own])
                for own, other in shared
            ]
            decades, layer = max(gaps, key=lambda gap: abs(gap[0]), default=(0.0, ""))
            if abs(decades) > PROFILES_PARTED:
                self.profile = ProfileParting(step=step, layer=layer, decades=decades, threshold=PROFILES_PARTED)
        if self.warnings is None:
            one, then, next_ = first.open[place], second.open[before], second.open[after]
            codes = [sorted(one - then - next_), sorted((then & next_) - one)]
            if any(codes):
                self.warnings = WarningParting(step=step, codes=codes)


def _known(first: Sequence[int], second: Sequence[int]) -> int:
    """How many of the first run's steps are not after the second one's last."""
    return bisect.bisect_right(first, second[-1]) if second else 0


def _between(steps: Sequence[int], step: int) -> tuple[int, int, float] | None:
    """The indices of the steps before and after, and where between them; None: before the first or after the last."""
    after = bisect.bisect_left(steps, step)
    if after == len(steps) or (after == 0 and steps[0] != step):
        return None
    if steps[after] == step:
        return after, after, 0.0
    return after - 1, after, (step - steps[after - 1]) / (steps[after] - steps[after - 1])


def _mixed(before: float, after: float, share: float) -> float:
    return before if share == 0 or before == after else (1 - share) * before + share * after


def _gap(one: float, other: float) -> float:
    """Decades from one log to the other; 0 where one is no number, or both are zero."""
    return 0.0 if math.isnan(one) or math.isnan(other) or one == other else other - one


def _within(one: float, near: Sequence[float]) -> bool:
    """Whether a loss is between those of the frames around its step: no line through them knows a curve, or a batch, any better."""
    return min(near) <= one <= max(near)


def _differ(one: float, other: float, threshold: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.isfinite(one) or math.isfinite(other)
    return abs(one - other) > threshold * max(abs(one), abs(other))
