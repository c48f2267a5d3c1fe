"""The first step at which two runs' profiles or warnings differ, as they grow. Losses: tests/diagnose/test_comparison.py."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from gradtui.diagnose.parting import Course, Partings
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Event
from tests.diagnose.streams import deltas, frame, hello, layers


def course(*events: Event) -> Course:
    found = Course()
    fill(found, RunState(), events)
    return found


def fill(found: Course, state: RunState, events: Iterable[Event]) -> None:
    for event in events:
        state.apply(event)
        found.take(event, state)


def partings(first: Course, second: Course) -> Partings:
    found = Partings()
    found.follow(first, second)
    return found


def test_profiles_part_where_one_layer_is_a_factor_of_two_off() -> None:
    """At the layer that is most off; catches natural logarithms, the mean over layers, and > 0."""
    first = course(hello(), frame(0), frame(10), frame(20))
    second = course(hello(), frame(0), frame(10, 0.25), frame(20, -0.4))
    found = partings(first, second).profile
    assert found is not None
    assert (found.step, found.layer) == (20, "hidden.0")
    assert found.decades == pytest.approx(-0.4)
    assert partings(first, first).profile is None


def test_layers_are_told_by_their_names_and_what_only_one_has_is_left_out() -> None:
    rows = list(reversed(layers()))
    second = course(
        hello([rows[0], rows[1], *layers(9)[4:8], *rows[2:]]), frame(0, delta_rms=[1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0])
    )
    assert partings(course(hello(), frame(0)), second).profile is None
    off = course(hello(rows), frame(0, delta_rms=[1.0, 1.0, 1.0, 1.0, 10.0]))
    found = partings(course(hello(), frame(0)), off).profile
    assert found is not None
    assert (found.layer, found.decades) == ("hidden.0", 1.0)


def test_what_is_no_number_parts_from_nothing_and_zero_parts_from_a_number() -> None:
    flat = course(hello(), frame(0))
    for value in (math.nan, None, math.inf):
        assert partings(flat, course(hello(), frame(0, delta_rms=[value, *deltas()[1:]]))).profile is None
    dead = course(hello(), frame(0, delta_rms=[0.0, *deltas()[1:]]))
    found = partings(flat, dead).profile
    assert found is not None
    assert found.decades == -math.inf
    assert partings(dead, dead).profile is None
    assert partings(flat, course(hello(), frame(0, delta_rms=[]))).profile is None


def test_frames_at_other_steps_are_compared_on_the_line_between_them() -> None:
    """A profile that changes by a decade in 10 steps is not off by the half that frames 5 steps apart would be."""
    first = course(hello(), *(frame(step, -step / 10) for step in range(0, 40, 10)))
    second = course(hello(), *(frame(step, -step / 10) for step in range(0, 45, 5) if step % 10))
    assert partings(first, second).profile is None


def test_one_noisy_falling_loss_at_other_steps_has_not_parted() -> None:
    """Two recordings of one training: 1.73 at the first step falls along a curve that no line follows, then batches differ by 3%."""

    def loss(step: int) -> float:
        return 1.4 + 0.33 * 0.8**step + 0.02 * (1 if step % 6 < 3 else -1)

    first, second = (course(hello(), *(frame(step, loss=loss(step)) for step in range(0, 100, every))) for every in (7, 9))
    assert partings(first, second).loss is None
    assert partings(second, first).loss is None
    other = course(hello(), *(frame(step, loss=loss(step) + (0.2 if step > 50 else 0.0)) for step in range(0, 100, 9)))
    found = partings(first, other).loss
    assert found is not None
    assert 50 < found.step < 75


def test_warnings_part_where_one_has_what_the_other_has_not_at_its_next_frame_either() -> None:
    sick = [frame(step, -3.0) for step in range(0, 60, 5)]
    well = [frame(step) for step in range(0, 60, 5)]
    found = partings(course(hello(), *sick), course(hello(), *well)).warnings
    assert found is not None
    assert (found.step, found.codes) == (25, [["vanishing"], []])
    swapped = partings(course(hello(), *well), course(hello(), *sick)).warnings
    assert swapped is not None
    assert (swapped.step, swapped.codes) == (25, [[], ["vanishing"]])
    shifted = [frame(step, -3.0) for step in range(2, 60, 5)]
    assert partings(course(hello(), *sick), course(hello(), *shifted)).warnings is None


def test_live_runs_are_compared_as_far_as_both_are_known_and_once_each_step() -> None:
    first, second = Course(), Course()
    states = RunState(), RunState()
    found = Partings()
    fill(first, states[0], [hello(), frame(0), frame(10), frame(20)])
    fill(second, states[1], [hello(), frame(0)])
    found.follow(first, second)
    assert (found.common_steps, found.profile) == (1, None)
    fill(second, states[1], [frame(10), frame(20, -2.0)])
    found.follow(first, second)
    found.follow(first, second)
    assert found.common_steps == 3
    assert found.profile
    assert found.profile.step == 20


def test_a_restart_begins_a_new_course() -> None:
    again = course(hello(), frame(0, -2.0), frame(10, -2.0), hello(attempt=1), frame(0))
    assert again.steps == [0]
    assert partings(again, course(hello(), frame(0), frame(10))).profile is None


def test_a_course_gives_what_a_frame_held() -> None:
    kept = course(hello(), frame(0), frame(10, delta_rms=[None, 0.0, math.inf, math.nan, 1e-200]))
    assert [kept.at_or_before(step) for step in (-1, 0, 9, 10, 999)] == [None, 0, 0, 1, 1]
    assert kept.values(1, "delta_rms") == [None, 0.0, math.inf, None, 1e-200]
    assert kept.values(0, "grad_norm") == [0.1] * 5
