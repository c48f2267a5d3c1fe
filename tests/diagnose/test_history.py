"""A bounded history that never loses a spike."""

from __future__ import annotations

import math
import random

from gradtui.diagnose.history import History, Series
from tests.diagnose.streams import frame


def test_recent_points_are_all_there() -> None:
    series = Series()
    for step in range(150):
        series.add(step, step / 7)
    assert series.points == [(step, step / 7) for step in range(150)]


def test_a_long_run_keeps_its_extremes_each_at_its_own_step() -> None:
    """Catches averaging, dropping every other point, and extremes dated by their bucket."""
    random.seed(0)
    series = Series()
    values = [random.random() for _ in range(100_000)]
    values[317], values[54_321], values[70_000] = 1e9, -5.0, math.inf
    for step, value in enumerate(values):
        series.add(step, value)
    points = series.points
    assert len(points) <= 512
    assert {(317, 1e9), (54_321, -5.0), (70_000, math.inf)} <= set(points)
    assert points == sorted(points)
    assert points[-100:] == list(enumerate(values))[-100:]
    assert points[0].step < 2000


def test_a_nan_is_kept_beside_the_extremes() -> None:
    series = Series()
    for step in range(10_000):
        series.add(step, math.nan if step == 123 else float(step % 10))
    assert [point.step for point in series.points if math.isnan(point.value)] == [123]
    early = [point.value for point in series.points if point.step < 1000]
    assert {0.0, 9.0} <= set(early)


def test_steps_and_values_are_parallel() -> None:
    history = History()
    for step in range(10):
        history.add(frame(step, loss=float(step), total_norm=None, clipped_norm=2.0))
    assert (history.loss.steps, history.loss.values) == (list(range(10)), [float(i) for i in range(10)])
    assert history.total_norm.points == []
    assert history.clipped_norm.values == [2.0] * 10
