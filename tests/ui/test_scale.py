import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gradtui.ui.scale import Axis, bar, beginning, elide, number, padded, percent, setting, state, wrapped

AXIS = Axis(-9, 1)


def test_a_decade_is_a_tenth_of_a_ten_decade_axis() -> None:
    assert bar(1e-4, AXIS, 20) == "█" * 10 + " " * 10
    assert bar(1e-3, AXIS, 20) == "█" * 12 + " " * 8


def test_the_tip_is_drawn_in_eighths() -> None:
    # 20 cells for 10 decades: 2 cells a decade, so 1/16 of a decade is an eighth of a cell.
    assert bar(10 ** (-4 + 3 / 16), AXIS, 20) == "█" * 10 + "▍" + " " * 9


def test_the_smallest_positive_value_is_not_drawn_like_zero() -> None:
    assert bar(1e-300, AXIS, 10) == "▏" + " " * 9


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(1, 200))
def test_a_bar_is_as_wide_as_asked(value: float, width: int) -> None:
    assert len(bar(value, AXIS, width)) == width


def test_the_axis_grows_by_whole_decades_and_never_shrinks() -> None:
    grown = AXIS.extended([3e-12, 5.0, None, math.nan, math.inf, 0.0])
    assert grown == Axis(-12, 1)
    assert grown.extended([1e-3]) == grown
    assert AXIS.extended([20.0]) == Axis(-9, 2)


def test_the_axis_holds_the_extremes_of_a_double() -> None:
    assert AXIS.extended([5e-324, 1.7e308]).high == 309


def test_labels_stand_at_their_decades_and_do_not_touch() -> None:
    ruler = AXIS.ruler(60)
    assert len(ruler) == 60
    for decade in (-9, -7, -5, -3, -1):
        assert ruler.index(f"│1e{decade}") == (decade + 9) * 6
    assert "│1e-8" not in ruler
    assert Axis(-9, 1).ruler(3) == "   "


@pytest.mark.parametrize(
    ("value", "word"), [(None, "–"), (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (0.0, "0"), (-0.0, "0"), (1e-320, "")]
)
def test_what_has_no_length_is_a_word(value: float | None, word: str) -> None:
    assert state(value) == word
    if word:
        assert number(value) == word


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.4e-7, "4.4e-7"),
        (0.02, "0.02"),
        (0.31415, "0.31"),
        (2.3026, "2.3"),
        (13.0, "13"),
        (130.4, "130"),
        (999.7, "1.0e3"),
        (3.14e-120, "3e-120"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats())
def test_a_number_never_outgrows_its_column(value: float) -> None:
    assert len(number(value)) <= (8 if value < 0 else 7)


def test_percentages_do_not_round_to_all_or_nothing() -> None:
    assert [percent(x) for x in (0.0, 0.004, 0.5, 0.996, 1.0, None, math.nan)] == ["0%", "<1%", "50%", ">99%", "100%", "–", "nan"]


def test_the_middle_of_a_long_text_is_left_out() -> None:
    assert elide("encoder.layers.12.attention.query", 16) == "encod…tion.query"
    assert elide("short", 16) == "short"
    assert [len(elide("0123456789", n)) for n in range(12)] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


@given(st.text("ab. 层🚀e\u0301", max_size=30), st.integers(0, 20))
def test_nothing_is_wider_than_its_cells(text: str, width: int) -> None:
    assert cell_len(elide(text, width)) <= width
    assert cell_len(beginning(text, width)) <= width
    assert cell_len(padded(text, width)) == width
    assert all(cell_len(line) <= max(2, width) for line in wrapped(text, max(2, width), 3))


def test_the_last_label_of_an_axis_does_not_touch_what_stands_beside_it() -> None:
    assert all(Axis(-10, 3).ruler(width)[-1] == " " for width in range(4, 120))


def test_settings_read_as_the_panel_spells_them() -> None:
    assert [setting(x) for x in (True, False, 0.02, 8, "norm")] == ["on", "off", "0.02", "8", "norm"]


def test_wrapping_fills_the_last_line_and_says_that_there_is_more() -> None:
    assert wrapped("one two three four", 9, 5) == ["one two", "three", "four"]
    assert wrapped("one two three four", 9, 2) == ["one two", "three fo…"]
    assert wrapped("a " + "x" * 40, 10, 1) == ["a xxx…xxx…"]
