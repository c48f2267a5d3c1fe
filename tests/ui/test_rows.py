import math

import pytest

from gradtui.ui import rows
from gradtui.ui.lines import text_of
from gradtui.ui.scale import Axis

AXIS = Axis(-9, 1)


@pytest.mark.parametrize(
    ("value", "text", "code"),
    [
        (math.inf, "███████████████inf ", "v"),
        (math.nan, "░░░░░░░░░░░░░░░nan ", "v"),
        (0.0, " 0, exactly zero   ", "w"),
        (None, " – frozen          ", "w"),
    ],
)
def test_states_are_words_in_a_bar_of_their_own_kind(value: float | None, text: str, code: str) -> None:
    drawn, codes = rows.drawn(value, AXIS, 19, hot=False, note="frozen")
    assert drawn == text
    assert codes.rstrip("m") == (code * len(text.rstrip() if code == "w" else text))


def test_a_layer_in_trouble_is_drawn_hot() -> None:
    assert rows.drawn(1e-4, AXIS, 4, hot=True) == ("██  ", "hhhh")


def test_a_mark_stands_where_its_value_lies_and_nowhere_for_a_state() -> None:
    text, codes = rows.drawn(1e-4, AXIS, 10, hot=False)
    assert rows.marked(text, codes, 1e-2, AXIS, "│", "g") == ("█████  │  ", "bbbbbbbgbb")
    both = rows.marked(*rows.marked(text, codes, 1e-2, AXIS, "┊", "t"), 1e-2, AXIS, "│", "g")
    assert both == ("█████  ║  ", "bbbbbbbgbb")
    for value in (None, math.nan, math.inf, 0.0):
        assert rows.marked(text, codes, value, AXIS, "│", "g") == (text, codes)


def test_spans_join_cells_of_one_style() -> None:
    assert rows.spans("███ │ ", "bbbbgb") == (("███ ", "bar"), ("│", "ghost"), (" ", "bar"))


def test_the_flag_is_a_letter_and_the_frozen_are_marked() -> None:
    def cell(severity: str) -> str:
        return text_of(rows.name_cell("hidden.0", 14, severity, frozen=True, cursor=False))

    assert [cell(severity)[:2] for severity in ("critical", "warning")] == ["X ", "! "]
    assert cell("") == "f hidden.0    "


def test_a_band_shades_the_bar_and_what_lies_beyond_it_and_leaves_the_tip() -> None:
    axis = Axis(0, 10)
    text, codes = rows.drawn(1e5, axis, 20, hot=False)
    assert rows.shaded(text, codes, (1e3, 1e7), axis, "s") == ("██████▒▒▒▒·····     ", "bbbbbb" + "s" * 9 + "bbbbb")
    tip = rows.drawn(10**5.25, axis, 20, hot=False)
    assert rows.shaded(*tip, (1e3, 1e7), axis, "s")[0] == "██████▒▒▒▒▌····     "
    for edges in (None, (0.0, 1.0), (1.0, math.inf)):
        assert rows.shaded(text, codes, edges, axis, "s") == (text, codes)


@pytest.mark.parametrize(("value", "words"), [(math.nan, "nan"), (0.0, " 0, exactly zero"), (None, " – not measured")])
def test_marks_and_the_band_leave_the_words_of_a_bar_that_has_no_length_whole(value: float | None, words: str) -> None:
    drawn = rows.drawn(value, AXIS, 20, hot=False, note="not measured")
    for place in (10.0**decade for decade in range(-12, 6)):
        text, codes = rows.marked(*rows.shaded(*drawn, (place / 1e3, place * 1e3), AXIS, "s"), place, AXIS, rows.THEORY, "t")
        assert words in text
        assert len(text) == len(codes) == 20
