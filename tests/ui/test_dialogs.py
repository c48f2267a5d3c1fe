"""What lies over the screen is laid out anew where it is narrow: cut at the right, a number is another number."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradtui.stream.events import Event
from gradtui.ui import detail, leave, theory
from gradtui.ui.help import DIALOG, FRAME, SIGNS, TextScreen, beside, headed
from gradtui.ui.leave import LeaveScreen
from gradtui.ui.lines import Lines, Row, text_of
from gradtui.ui.scale import number
from tests.ui import recordings as rec
from tests.ui.screens import Process, Showing, showing

OPENING: list[Event] = [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]
WIDE, SMALL = DIALOG - FRAME, 40 - FRAME


def texts(rows: list[Row]) -> list[str]:
    return [text_of(row) for row in rows]


def one(rows: list[Row]) -> str:
    """The words alone, however they are broken into lines."""
    return " ".join(" ".join(texts(rows)).split())


@pytest.mark.parametrize("width", [20, SMALL, 45, WIDE])
def test_every_number_of_a_layer_is_whole_at_any_width(width: int) -> None:
    point = theory.Point(-2.0, -4.44, -4.45, 0.045)
    rows = detail.rows(rec.layers(3)[0], rec.frame(0, [1.234e-15] * 3), 0, point, width)
    assert all(len(line) <= width for line in texts(rows))
    for told in ("Linear", "64 × 64", "4,160", number(1.234e-15), "measured -4.45, theory -4.44 ± 0.09"):
        assert told in one(rows)


def test_a_wide_dialog_has_the_numbers_in_a_column() -> None:
    rows = texts(detail.rows(rec.layers(3)[0], rec.frame(0, [1e-5] * 3), 0, None, WIDE))
    assert {line[: detail.WIDTH + 2].rstrip()[-1] != " " and line[detail.WIDTH + 2] != " " for line in rows} == {True}


@pytest.mark.parametrize("width", [24, SMALL, WIDE])
def test_helps_words_and_those_of_leaving_are_wrapped_to_the_width(width: int) -> None:
    for key, text in SIGNS:
        rows = beside(key, text, width)
        assert all(len(line) <= width for line in texts(rows))
        assert one(rows) == " ".join(f"{key} {text}".split())
    rows = leave.rows(width)
    assert all(len(line) <= width for line in texts(rows))
    assert "detach leave it running; gradtui attach comes back to it" in one(rows)


def test_a_title_keeps_how_to_close_it() -> None:
    assert texts(headed("Keys", SMALL)) == [" Keys   escape closes"]
    assert texts(headed("No warning is open: all there are", SMALL)) == [" No warning is open: all there are", " escape closes"]


def cut(s: Showing) -> list[str]:
    """The lines of the dialog's panels that are wider than their panels."""
    panels = s.app.screen.query(Lines)
    return [
        text_of(panel.row(y))
        for panel in panels
        for y in range(panel.size.height)
        if len(text_of(panel.row(y)).rstrip()) > panel.size.width
    ]


@pytest.mark.parametrize("key", ["question_mark", "enter", "exclamation_mark", "q"])
@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])
async def test_no_dialog_is_cut_at_the_right(tmp_path: Path, key: str, size: tuple[int, int]) -> None:
    async with showing(tmp_path, OPENING, size=size, process=Process()) as s:
        await s.press(key)
        assert s.app.screen is not s.screen
        assert cut(s) == []


async def test_a_dialog_is_laid_out_anew_when_the_terminal_changes(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, size=(80, 24), process=Process()) as s:
        for key in ("question_mark", "q"):
            await s.resize(80, 24)
            await s.press(key)
            await s.resize(40, 12)
            assert cut(s) == []
            await s.press("escape")
        assert not isinstance(s.app.screen, LeaveScreen)


async def test_numbers_that_come_before_a_dialog_is_laid_out_are_those_it_shows(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, size=(80, 24), process=Process()) as s:
        screen = TextScreen("0", lambda width: [(("older", ""),)])
        s.app.push_screen(screen)
        screen.show(lambda width: [(("newer", ""),)])
        await s.pilot.pause()
        assert text_of(screen.query_one("#content", Lines).row(0)).strip() == "newer"
