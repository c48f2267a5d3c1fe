"""Two runs on one screen: the other one's profile at the same step behind the bars, its loss dotted, and where they part."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gradtui.diagnose.history import Point
from gradtui.stream.events import End, Event
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui import history
from gradtui.ui.app import GradApp, Watched
from gradtui.ui.beside import Beside
from gradtui.ui.player import Player
from gradtui.ui.scale import Axis
from gradtui.ui.watched import Against
from tests.ui import recordings as rec
from tests.ui.screens import Showing, check_golden, opened


@asynccontextmanager
async def comparing(
    place: Path, first: Sequence[Event], second: Sequence[Event], *, size: tuple[int, int] = (120, 40), replay: bool = False
) -> AsyncIterator[tuple[Showing, RunDirectory]]:
    place.mkdir(exist_ok=True)
    run, other = rec.write(place / "first", first), rec.write(place / "second", second)
    player = Player(run) if replay else None
    if player:
        player.clock.playing = False
    async with opened(GradApp(Watched(run, against=Against(other), player=player)), run, size) as shown:
        yield shown, other


def sick() -> list[Event]:
    hello = rec.hello(rec.layers(9, "hidden.{}.linear"))
    return [hello, *(rec.frame(step, rec.vanishing(9), loss=2.303) for step in range(0, 120, 6))]


def cured() -> list[Event]:
    hello = rec.hello(rec.layers(9, "hidden.{}.linear"))
    healthy = [rec.frame(step, rec.vanishing(9, max(0.0, 4.45 - step / 6)), loss=2.303 * 0.96**step) for step in range(0, 120, 6)]
    return [hello, *healthy, End(reason="finished", step=114)]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_golden(tmp_path: Path, size: tuple[int, int]) -> None:
    async with comparing(tmp_path, sick(), cured(), size=size) as (s, _):
        check_golden(f"{size[0]}x{size[1]}-beside.txt", s.text())


def marks(s: Showing, row: int = 0) -> int:
    """Where the other run's mark stands in a row."""
    line = s.text().splitlines()[2 + row]
    return line.find("│", 19)


async def test_the_mark_is_at_the_other_runs_newest_frame_of_the_same_step(tmp_path: Path) -> None:
    """Live: both grow, and neither waits for the other. One decade is the width of the axis over ten."""
    hello = rec.hello(rec.layers(3))
    async with comparing(tmp_path, [hello, rec.frame(10, [1e-2] * 3)], [hello, rec.frame(0, [1e-6] * 3)]) as (s, other):
        low = marks(s)
        decade = (s.text().splitlines()[1].index("│1e-1") - s.text().splitlines()[1].index("│1e-9")) / 8
        rec.append(other, [rec.frame(10, [1e-4] * 3), rec.frame(12, [1e-8] * 3)])
        await s.settle()
        assert abs(marks(s) - low - 2 * decade) <= 1
        await s.append(rec.frame(14, [1e-2] * 3))
        assert abs(marks(s) - low + 2 * decade) <= 1


async def test_a_layer_that_the_other_run_does_not_have_has_no_mark(tmp_path: Path) -> None:
    first: list[Event] = [rec.hello(rec.layers(4)), rec.frame(0, [1e-2] * 4)]
    second: list[Event] = [rec.hello(rec.layers(3)), rec.frame(0, [1e-4, 1e-3, 1e-5])]
    async with comparing(tmp_path, first, second) as (s, _):
        places = [marks(s, row) for row in range(4)]
        assert places[2] == -1
        assert places[3] < places[0] < places[1]


async def test_a_recording_is_compared_at_the_step_that_its_clock_is_at(tmp_path: Path) -> None:
    async with comparing(tmp_path, [*sick(), End(reason="finished", step=114)], cured(), replay=True, size=(80, 24)) as (s, _):
        await s.press("home")
        first = marks(s)
        assert first == s.text().splitlines()[2].index("│", 19)
        await s.press("end")
        assert marks(s) > first + 10
        assert "they part in loss at step 6 (2.3 here, 1.8 there)" in " ".join(s.text().replace("┃", " ").split())


def told(tmp_path: Path, first: Sequence[Event], second: Sequence[Event]) -> str:
    tmp_path.mkdir(exist_ok=True)
    beside = Beside(rec.write(tmp_path / "first", first), Against(rec.write(tmp_path / "second", second)))
    while beside.look() or beside.behind:
        pass
    return beside.told()


def test_where_they_part_is_told_in_the_order_of_the_steps(tmp_path: Path) -> None:
    assert told(tmp_path, sick(), cured()) == (
        "Against second at the same step, │ in a bar and · in the loss: they part in loss at step 6 (2.3 here, 1.8 there), profile at "
        "step 6 (hidden.0.linear: +1.00 decades there), warnings at step 30 (only here vanishing)."
    )


def test_the_same_run_twice_differs_in_nothing_and_names_are_inert(tmp_path: Path) -> None:
    assert told(tmp_path, sick(), sick()).endswith("nothing differs.")
    evil = [msgspec.structs.replace(layer, name="\x1b[2J[b]x") for layer in rec.layers(2)]
    text = told(tmp_path / "a", [rec.hello(evil), rec.frame(0, [1.0, 1.0])], [rec.hello(evil), rec.frame(0, [0.0, 0.0])])
    assert "\x1b" not in text
    assert "exactly zero in one" in text


def test_another_attempt_of_either_begins_the_comparison_anew(tmp_path: Path) -> None:
    first, second = rec.write(tmp_path / "first", sick()), rec.write(tmp_path / "second", cured())
    beside = Beside(first, Against(second))
    while beside.look() or beside.behind:
        pass
    before = beside.ghost(rec.layers(9, "hidden.{}.linear"), 0)
    rec.append(second, [rec.hello(rec.layers(9, "hidden.{}.linear"), attempt=1), *sick()[1:]])
    while beside.look() or beside.behind:
        pass
    assert beside.told().endswith("nothing differs.")
    after = beside.ghost(rec.layers(9, "hidden.{}.linear"), 114)
    assert before
    assert after
    assert (before.step, after.step, after.delta_rms) == (0, 114, rec.vanishing(9))


def test_the_other_runs_loss_is_dotted_and_the_axis_has_room_for_it() -> None:
    own = [Point(step, 1.0) for step in range(11)]
    other = [Point(step, 10 ** (1 - 3 * step / 100)) for step in range(101)]
    lines = history.draw(own, Axis(-2, 1), [], 40, 10, "*", other)
    assert lines[0].startswith(" 1e1┤·")
    assert lines[8].rstrip().endswith("·")
    assert any("*" in line for line in lines)
    row = history.curve_row(lines[0], 40)
    assert (history.OTHER, "ghost") in row


def test_the_heading_has_both_losses_of_the_same_step() -> None:
    other = [Point(0, 1.0), Point(10, 0.5), Point(20, math.nan)]
    assert [history.heading(history.until(other, step)) for step in (0, 12)] == ["1", "0.5"]


async def test_of_runs_that_began_again_it_says_that_the_last_attempts_part(tmp_path: Path) -> None:
    """A recording is shown from its first attempt on, where nothing may differ yet."""
    again = msgspec.structs.replace(rec.hello(rec.layers(9, "hidden.{}.linear")), attempt=1)
    frames = [rec.frame(step, rec.vanishing(9), loss=9.0) for step in range(0, 60, 6)]
    async with comparing(tmp_path, [*sick(), again, *frames], sick()) as (s, _):
        told = " ".join(s.text().split())
        assert "their last" in told
        assert "they part" not in told
