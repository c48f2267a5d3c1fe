"""Two runs against each other: where they part, what was set differently, and what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from msgspec import Struct

from gradtui.diagnose.comparison import Comparison, Side, compare
from gradtui.stream.events import Event, Frame
from tests.diagnose.streams import frame, hello, layers


def side(events: Iterable[Struct]) -> Side:
    found = Side()
    for event in events:
        assert isinstance(event, Event)
        found.take(event)
    return found


def losses(**at: float) -> list[Frame]:
    return [frame(int(step[1:]), loss=loss) for step, loss in at.items()]


def between(first: Iterable[Struct], second: Iterable[Struct], threshold: float = 0.01) -> Comparison:
    return compare(side(first), side(second), threshold)


def test_they_part_at_the_first_step_that_differs_by_more_than_the_threshold() -> None:
    """By the share of the larger loss: catches an absolute difference and >= for >."""
    first = [hello(), *losses(s0=200.0, s10=100.0, s20=100.0, s30=100.0)]
    second = [hello(), *losses(s0=199.0, s10=99.0, s20=98.0, s30=10.0)]
    parting = between(first, second).parting
    assert parting is not None
    assert (parting.step, parting.losses) == (20, [100.0, 98.0])
    late = between(first, second, 0.5).parting
    assert late is not None
    assert late.step == 30
    assert between(first, first).parting is None


def test_nan_parts_from_a_number_but_not_from_nan() -> None:
    first, second = [hello(), *losses(s0=1.0, s10=math.nan)], [hello(), *losses(s0=1.0, s10=1.0)]
    parting = between(first, second).parting
    assert parting is not None
    assert parting.step == 10
    assert between(first, first).parting is None


def test_frames_by_the_clock_are_compared_between_each_other() -> None:
    """Nothing is known before the other's first frame or after its last."""
    found = between([hello(), *losses(s0=1.0, s5=1.5, s10=2.0, s20=9.0)], [hello(), *losses(s3=1.3, s9=1.9, s13=2.3)])
    assert (found.common_steps, found.parting) == (2, None)


def test_settings_warnings_and_the_layer_that_differs_most() -> None:
    first = [hello(settings={"lr": 0.1}), *(frame(step, -3.0) for step in range(0, 50, 5))]
    second = [hello(settings={"lr": 0.2}), *(frame(step) for step in range(0, 50, 5))]
    found = between(first, second)
    assert found.settings == {"lr": [0.1, 0.2]}
    assert found.warnings == [["vanishing"], []]
    gap = found.gaps["end"]
    assert gap.layer == "hidden.0"
    assert gap.decades == pytest.approx(3.0)


def test_networks_with_other_layers_have_no_gap() -> None:
    assert between([hello(), frame(0)], [hello(layers(8)), frame(0, rows=9)]).gaps == {}


def test_the_last_attempt_counts() -> None:
    again = [hello(), *losses(s0=5.0, s10=5.0), hello(attempt=1), *losses(s0=1.0)]
    found = between(again, [hello(), *losses(s0=1.0, s10=1.0)])
    assert (found.common_steps, found.parting) == (1, None)
