"""The history of a run at a bounded size: recent frames one by one, the whole run by extremes.

Averages would lose the one-step spike that people look for; a bucket of old frames keeps its lowest and its highest point
instead, each at its own step, and its first NaN.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from gradtui.stream.events import Frame, Value

RECENT = 200
BUCKETS = 100
"""At most RECENT + 3 · BUCKETS points a series."""
MARKS = 200


class Point(NamedTuple):
    step: int
    value: float


class Mark(NamedTuple):
    """A toggle that came into force."""

    step: int
    toggle: str
    value: Value | None


class Bucket:
    """The extremes of some consecutive points."""

    __slots__ = ("count", "high", "low", "nan")

    def __init__(self, point: Point) -> None:
        self.count = 1
        self.nan = point if math.isnan(point.value) else None
        self.low = self.high = None if self.nan else point

    def merge(self, later: Bucket) -> None:
        self.count += later.count
        self.nan = self.nan or later.nan
        if later.low is not None and (self.low is None or later.low.value < self.low.value):
            self.low = later.low
        if later.high is not None and (self.high is None or later.high.value > self.high.value):
            self.high = later.high

    def points(self) -> list[Point]:
        return sorted({point for point in (self.low, self.high, self.nan) if point is not None})


class Series:
    """One number over the run; inf and nan are kept as they are."""

    def __init__(self) -> None:
        self._recent: deque[Point] = deque()
        self._buckets: list[Bucket] = []
        self._width = 1

    def add(self, step: int, value: float) -> None:
        self._recent.append(Point(step, value))
        if len(self._recent) > RECENT:
            self._age(self._recent.popleft())

    def _age(self, point: Point) -> None:
        if self._buckets and self._buckets[-1].count < self._width:
            self._buckets[-1].merge(Bucket(point))
            return
        if len(self._buckets) == BUCKETS:
            for first, second in zip(self._buckets[::2], self._buckets[1::2], strict=True):
                first.merge(second)
            del self._buckets[1::2]
            self._width *= 2
        self._buckets.append(Bucket(point))

    @property
    def points(self) -> list[Point]:
        """The whole run in step order, at most 500 points: extremes of what is old, every recent frame."""
        return [point for bucket in self._buckets for point in bucket.points()] + list(self._recent)

    @property
    def steps(self) -> list[int]:
        return [point.step for point in self.points]

    @property
    def values(self) -> list[float]:
        return [point.value for point in self.points]


class History:
    """The run's curves since its (re)start, and every toggle that came into force, earlier attempts' included."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self.earlier_marks = 0
        """How many of `marks`, the first ones, belong to attempts before this one."""
        self.restart()

    def restart(self) -> None:
        self.loss = Series()
        self.total_norm = Series()
        self.clipped_norm = Series()
        self.earlier_marks = len(self.marks)

    def add(self, frame: Frame) -> None:
        for series, value in ((self.loss, frame.loss), (self.total_norm, frame.total_norm), (self.clipped_norm, frame.clipped_norm)):
            if value is not None:
                series.add(frame.step, value)

    def mark(self, step: int, toggle: str, value: Value | None) -> None:
        self.marks.append(Mark(step, toggle, value))
        if len(self.marks) > MARKS:
            del self.marks[0]
            self.earlier_marks = max(0, self.earlier_marks - 1)
