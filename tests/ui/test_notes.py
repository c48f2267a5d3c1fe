"""What is said in passing lies over nothing that is being read or typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradtui.stream.events import Applied, Event
from gradtui.ui.prompt import Prompt
from tests.ui import recordings as rec
from tests.ui.screens import Process, Showing, showing
from tests.ui.test_screen import sick_then_cured

OPENING: list[Event] = [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]
SIZES = [(120, 40), (80, 24), (40, 12)]


def note(text: str, toggle: str = "batch_norm") -> Applied:
    return Applied(id="elsewhere", step=1, toggle=toggle, value="on", note=text)


def foot(s: Showing) -> str:
    return " ".join(line.strip() for line in s.text().splitlines()[-3:])


@pytest.mark.parametrize("size", SIZES)
async def test_a_prompt_is_seen_whatever_was_said_before_and_is_said_meanwhile(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, OPENING, process=Process(), size=size) as s:
        await s.append(note("its statistics begin anew"))
        await s.press("e")
        assert foot(s).endswith("lr: a number of 0 or more, then enter; escape leaves it as it was 0.02")
        await s.append(note("said meanwhile"))
        assert foot(s).endswith("lr: a number of 0 or more, then enter; escape leaves it as it was 0.02")
        assert "said meanwhile" in s.text()


async def test_notes_do_not_pile_up_over_the_warnings(tmp_path: Path) -> None:
    async with showing(tmp_path, sick_then_cured()[:20], size=(80, 24)) as s:
        await s.append(note("the first of them"))
        await s.append(note("the second of them"))
        lines = s.text().splitlines()
        assert "the second of them" in lines[23]
        assert "the first of them" not in s.text()
        assert "VANISHING" in lines[20]


async def test_a_long_question_and_what_is_wrong_with_an_answer_are_wrapped_and_not_cut(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, size=(40, 12)) as s:
        wrong = f"{'1' * 30} is too large: it is at most 1e+12"
        s.app.push_screen(Prompt("clip gradient norm at (0: off): a number, then enter", check=lambda _: wrong))
        await s.settle()
        assert "a number, then enter" in " ".join(line.strip() for line in s.text().splitlines()[-4:])
        await s.press("enter")
        assert "at most 1e+12" in " ".join(line.strip() for line in s.text().splitlines()[-4:])


async def test_lines_that_could_not_be_read_are_told_of_once(tmp_path: Path) -> None:
    """Catches a screen that lets its reader believe they see all there was."""
    async with showing(tmp_path, OPENING, size=(120, 40)) as s:
        assert "no event" not in s.text()
        with s.run.events.open("ab") as file:
            file.write(b'{"type":"\x1b[31m[b]"}\n')
        await s.settle()
        assert "1 line is no event" in s.text()
        assert len(s.app._notifications) == 1
        with s.run.events.open("ab") as file:
            file.write(b"more of it\n")
        await s.settle()
        assert len(s.app._notifications) == 1
