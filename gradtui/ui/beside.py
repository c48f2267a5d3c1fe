"""The run that another one is shown against: where it was at the same step, and where the two part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gradtui.diagnose.history import Point
from gradtui.diagnose.parting import QUANTITIES, Course, Partings
from gradtui.diagnose.words import full_name, inert, signed
from gradtui.stream.events import Event, Frame, Layer, Numbers
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.feed import BUDGET, Feed
from gradtui.ui.measures import at
from gradtui.ui.scale import number
from gradtui.ui.watched import Against


class _Coursed(Feed):
    """A run that is followed with every frame of it kept."""

    def forget(self) -> None:
        super().forget()
        self.course = Course()

    def take(self, event: Event) -> None:
        super().take(event)
        self.course.take(event, self.state)


class Beside:
    """Follows both runs, whole, whatever moment of the first one is on the screen."""

    def __init__(self, own: RunDirectory, against: Against) -> None:
        self._own, self._other = _Coursed(own), _Coursed(against.run)
        self._name = inert(against.run.name)
        self._partings = Partings(against.by)
        self._shown: tuple[object, Frame | None] = (None, None)

    def look(self) -> int:
        """Read for a moment what is new of both and compare it; returns how many events came of the other."""
        own, other = (feed.poll(BUDGET / 2) for feed in (self._own, self._other))
        if own.hello or other.hello:
            self._partings.forget()
            self._shown = (None, None)
        self._partings.follow(self._own.course, self._other.course)
        return other.count

    @property
    def behind(self) -> bool:
        """There is more to read right now."""
        return self._own.behind or self._other.behind

    @property
    def losses(self) -> Sequence[Point]:
        """The other run's, whole."""
        return self._other.state.history.loss.points

    def ghost(self, layers: Sequence[Layer], step: int) -> Frame | None:
        """The other run's newest frame at or before `step`, its numbers in the order of `layers`; what it does not have is None."""
        course = self._other.course
        index = course.at_or_before(step)
        if index is None:
            return None
        if self._shown[0] != index:
            places = {name: place for place, name in enumerate(course.layers)}
            order = [places.get(full_name(layer)) for layer in layers]
            delta, gradient, update, activation = (_ordered(course.values(index, name), order) for name in QUANTITIES)
            frame = Frame(
                step=course.steps[index], time=0.0, delta_rms=delta, grad_norm=gradient, update_ratio=update, activation_std=activation
            )
            self._shown = index, frame
        return self._shown[1]

    def told(self) -> str:
        """Which run it is, and where the two part: the earliest first."""
        parts = sorted([*self._loss(), *self._profile(), *self._warnings()])
        both = "their last attempts" if self._own.state.attempt or self._other.state.attempt else "they"
        where = f"{both} part in {', '.join(text for _, text in parts)}" if parts else "nothing differs"
        return f"Against {self._name} at the same step, │ in a bar and · in the loss: {where}."

    def _loss(self) -> Iterator[tuple[int, str]]:
        if found := self._partings.loss:
            here, there = map(number, found.losses)
            yield found.step, f"loss at step {found.step:,} ({here} here, {there} there)"

    def _profile(self) -> Iterator[tuple[int, str]]:
        if found := self._partings.profile:
            by = "exactly zero in one" if math.isinf(found.decades) else f"{signed(found.decades)} decades there"
            yield found.step, f"profile at step {found.step:,} ({inert(found.layer)}: {by})"

    def _warnings(self) -> Iterator[tuple[int, str]]:
        if found := self._partings.warnings:
            sides = [f"only {where} {', '.join(codes)}" for where, codes in zip(("here", "there"), found.codes, strict=True) if codes]
            yield found.step, f"warnings at step {found.step:,} ({'; '.join(sides)})"


def _ordered(values: Numbers, order: Sequence[int | None]) -> Numbers:
    return [None if place is None else at(values, place) for place in order]
