"""The pages behind the warnings, from the run's screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradtui.diagnose import page
from gradtui.diagnose.words import label
from gradtui.stream.events import Applied, End
from gradtui.ui import fixes
from gradtui.ui.lines import Lines, text_of
from gradtui.ui.pages import PagesScreen, rows
from tests.ui import recordings as rec
from tests.ui.screens import Showing, showing
from tests.ui.test_screen import sick_then_cured
from tests.ui.test_warnings import warning


def content(s: Showing) -> str:
    """The whole page that is open, what has to be scrolled to included, without its margin."""
    return "\n".join(text_of(row)[page.MARGIN :] for row in s.app.screen.query_one("#content", Lines)._rows)


def shown(codes: list[str], at: int) -> str:
    return "\n".join(text_of(row) for row in rows(codes, at, 74))


def test_of_several_all_are_named_and_one_is_told() -> None:
    text = shown(["exploding", "dead-units"], 1)
    assert text.startswith("EXPLODING   DEAD UNITS")
    assert page.lines(page.load("dead-units"), 74)[1] in text
    assert page.lines(page.load("exploding"), 74)[1] not in text


@pytest.mark.parametrize("width", [75, 37])
@pytest.mark.parametrize("code", page.CODES)
def test_no_line_is_cut(code: str, width: int) -> None:
    told = [text_of(row) for row in rows(page.CODES, page.CODES.index(code), width)]
    assert all(len(line.rstrip()) <= width for line in told)
    assert page.load(code).paper.split()[-1] in told[-1]


def test_the_worst_comes_first_and_of_those_the_newest() -> None:
    old, new, worst = warning(), warning("saturated"), warning("exploding", "critical")
    found = fixes.worst_first({w.code: w for w in (old, worst, new)})
    assert [w.code for w in found] == ["exploding", "saturated", "vanishing"]
    found = fixes.worst_first({w.code: w for w in (old, warning("plateau"))})
    assert [w.code for w in found] == ["vanishing", "plateau"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_key_opens_the_open_warnings_page_and_escape_closes_it(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, sick_then_cured()[:21], size=size) as s:
        await s.press("exclamation_mark")
        assert "VANISHING · rates" in s.text()
        assert "Means    The data loss's gradient" in s.text()
        await s.press("escape")
        assert s.app.screen is s.screen


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_what_is_cut_in_the_panel_is_whole_behind_the_key_that_the_footer_names(tmp_path: Path, size: tuple[int, int]) -> None:
    error = f"RuntimeError: CUDA error: {'an illegal memory access, ' * 8}\nat {'y' * 90} the end"
    async with showing(tmp_path, [*sick_then_cured()[:20], End(reason="crashed", step=9, error=error)], size=size) as s:
        assert "the end" not in s.text()
        assert "! Explain" in s.text() or size == (40, 12)
        await s.press("exclamation_mark")
        assert "".join(error.split()) in "".join(content(s).split())
        await s.press("n")
        (found,) = s.screen.feed.state.open.values()
        assert "".join(found.evidence.sentence.split()) in "".join(content(s).split())
        assert "".join(page.load("vanishing").means.split()) in "".join(content(s).split())


async def test_where_none_is_open_every_page_is_there_and_n_and_p_turn_them(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(5)), rec.frame(0, [0.1] * 5)]) as s:
        await s.press("exclamation_mark")
        assert isinstance(s.app.screen, PagesScreen)
        for key, code in (("n", page.CODES[1]), ("p", page.CODES[0]), ("p", page.CODES[-1])):
            await s.press(key)
            assert f"{label(code)} · rates" in s.text()


async def test_a_note_lies_over_the_footer_and_not_over_the_warnings(tmp_path: Path) -> None:
    async with showing(tmp_path, sick_then_cured()[:20], size=(80, 24)) as s:
        before = s.text().splitlines()
        await s.append(Applied(id="elsewhere", step=118, toggle="batch_norm", value="on", note="its statistics begin anew"))
        after = s.text().splitlines()
        assert "batch norm = on: its statistics begin anew" in after[23]
        assert "VANISHING" in before[20]
        assert "VANISHING" in after[20]
