"""A recording on the screen: the clock's keys, what is shown at each place, and that nothing in it can be changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from gradtui.diagnose import rewind
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Applied, End, Event
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.app import GradApp, Watched
from gradtui.ui.feed import News
from gradtui.ui.player import Player
from gradtui.ui.replay_screen import ReplayScreen
from tests.ui import recordings as rec
from tests.ui.screens import Showing, check_golden, opened
from tests.ui.test_screen import sick_then_cured

EVENTS = [*sick_then_cured(), End(reason="finished", step=149)]
FRAMES = 25


@asynccontextmanager
async def replaying(place: Path, events: Sequence[Event] = EVENTS, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Showing]:
    """Paused at the first frame: the clock goes on only where a test lets it, and then by hardly anything at a look."""
    run = rec.write(place, events)
    player = Player(run)
    player.clock.playing = False
    with patch("gradtui.ui.player.SLOWEST", 1e-3):
        async with opened(GradApp(Watched(run, player=player)), run, size) as shown:
            yield shown


def replay(shown: Showing) -> ReplayScreen:
    assert isinstance(shown.screen, ReplayScreen)
    return shown.screen


def told(state: RunState) -> tuple[object, ...]:
    return state.frame, state.ghost, state.settings, state.open, state.warnings, state.history.loss.points


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_golden(tmp_path: Path, size: tuple[int, int]) -> None:
    async with replaying(tmp_path, size=size) as s:
        await s.press("end", "comma", "comma", "plus")
        check_golden(f"replay-{size[0]}x{size[1]}.txt", s.text())


async def test_the_footer_says_whether_the_key_plays_or_pauses(tmp_path: Path) -> None:
    events: list[Event] = [rec.hello(rec.layers(3)), *(rec.frame(step, [0.1] * 3) for step in range(0, 4000, 5))]
    async with replaying(tmp_path, events) as s:
        assert "space Play" in s.text()
        await s.press("space")
        assert replay(s).player.clock.playing
        assert "space Pause" in s.text()


async def test_keys_move_the_clock(tmp_path: Path) -> None:
    events: list[Event] = [rec.hello(rec.layers(3)), *(rec.frame(step, [0.1] * 3) for step in range(0, 400, 5))]
    async with replaying(tmp_path, events) as s:
        clock = replay(s).player.clock
        seen = []
        for key in ("full_stop", "full_stop", "comma", "right", "right", "left", "end", "full_stop", "home", "comma"):
            await s.press(key)
            seen.append(clock.at)
        assert seen == [1, 2, 1, 5, 9, 5, 79, 79, 0, 0]
        await s.press("g", "1", "0", "3", "enter")
        assert clock.at == 20
        assert "step 100" in s.text().splitlines()[0]
        await s.press("g", "0", "comma", "2", "0", "0", "enter")
        assert clock.at == 40
        await s.press("plus", "plus", "minus")
        assert clock.speed == 2.0
        await s.press("space")
        assert clock.playing
        assert s.screen.life.word == "PLAY"
        await s.press("space")
        assert s.screen.life.word == "PAUSED"


async def test_what_is_no_step_is_said_and_asked_again(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        await s.press("g", "x", "enter")
        assert "a step's number" in s.text()
        await s.press("escape")
        assert replay(s).player.clock.at == 0


async def test_going_back_shows_what_was_known_then(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        player = replay(s).player
        for at in (24, 3, 20, 21, 0, 23, 12):
            player.clock.seek(at)
            await s.settle()
            expected = RunState()
            frames = -1
            for event in EVENTS[: None if at == FRAMES - 1 else -1]:
                frames += event.__class__.__name__ == "Frame"
                if frames > at:
                    break
                if frames < at or event.__class__.__name__ == "Frame":
                    expected.apply(event)
            assert told(player.state) == told(expected), at
            assert f"frame {at + 1}/{FRAMES}" in s.text()


async def test_the_end_is_told_at_the_last_frame_only(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        assert s.screen.life.word == "PAUSED"
        await s.press("end")
        assert s.screen.life.word == "DONE"
        await s.press("comma")
        assert s.screen.life.word == "PAUSED"


async def test_a_crash_is_told_without_a_key_that_does_nothing(tmp_path: Path) -> None:
    async with replaying(tmp_path, [*EVENTS[:-1], End(reason="crashed", step=149, error="boom")]) as s:
        await s.press("end")
        assert "CRASHED boom" in s.text()
        assert "starts it again" not in s.text()


async def test_a_warning_names_the_toggle_to_have_tried_and_no_key(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        replay(s).player.clock.seek(20)
        await s.settle()
        text = s.text()
        assert "VANISHING" in text
        assert "one to try." in text
        assert "Press" not in text
        assert "press the key" not in text


async def test_nothing_in_it_can_be_changed_and_it_is_said_why(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        for keys in (("n",), ("t",), ("tab", "enter"), ("r",)):
            s.app.clear_notifications()
            await s.press(*keys)
            assert "this is a recording" in s.text()
        assert s.commands() == []
        assert replay(s).player.state.settings["batch_norm"] == "off"
        replay(s).put({"lr": 1.0})
        assert s.commands() == []


async def test_arrows_seek_also_from_the_toggles_panel_and_the_help_says_so(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        await s.press("tab", "right", "end")
        assert replay(s).player.clock.at == FRAMES - 1
        sections = dict(s.app.key_sections())
        assert "replay.first" in {binding.id for binding in sections["Replay"]}
        assert "bars.first" not in {binding.id for binding in sections["Bars"]}
        assert "run.restart" not in {binding.id for binding in sections["Replay"]}
        assert "toggles.change" not in {binding.id for binding in sections["Toggles panel (tab goes there)"]}


async def test_leaving_asks_nothing(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        await s.press("q")
        assert s.app.return_value is not None
        assert s.app.return_value.choice == "leave"


@pytest.mark.parametrize("events", [[], [rec.hello(rec.layers(3))], [rec.frame(3, [0.1] * 3)]], ids=["empty", "no-frame", "no-hello"])
async def test_recordings_without_much_in_them_open(tmp_path: Path, events: list[Event]) -> None:
    async with replaying(tmp_path, events) as s:
        await s.press("space", "end", "left", "g", "5", "enter", "comma")
        assert f"/{sum(type(event).__name__ == 'Frame' for event in events)}" in s.text()


def test_a_place_that_is_not_judged_yet_is_a_glimpse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame and the toggles are there at once, warnings and curves only when all before has been judged."""
    monkeypatch.setattr(rewind, "LEAST", 2048)
    frames = [rec.frame(step, rec.vanishing(9)) for step in range(0, 3000, 5)]
    events: list[Event] = [rec.hello(rec.layers(9)), *frames[:300], Applied(id="x", step=1500, toggle="lr", value=0.5), *frames[300:]]
    player = Player(rec.write(tmp_path / "run", events))
    player.clock.step(580)
    player.poll(budget=0.0)
    assert player.glimpse
    assert (player.state.frame, player.state.first, player.state.settings["lr"]) == (frames[580], frames[0], 0.5)
    assert (player.state.open, player.state.warnings, player.state.history.loss.points) == ({}, [], [])
    while player.behind:
        player.poll()
    player.poll()
    assert not player.glimpse
    assert player.state.frame == frames[580]
    assert "vanishing" in player.state.open
    assert player.state.history.loss.points[-1].step == 2900


async def test_the_screen_says_that_it_is_judging(tmp_path: Path) -> None:
    async with replaying(tmp_path) as s:
        replay(s).player.poll = News  # type: ignore[method-assign,assignment]  # else a look by the clock may judge it meanwhile
        replay(s).player.glimpse = True
        replay(s).life = replay(s).living()
        replay(s).show_texts()
        await s.settle()
        assert "judging what came before: 100%" in s.text()
        assert "all clear" not in s.text()


def test_another_attempt_brings_its_own_layers(tmp_path: Path) -> None:
    events: list[Event] = [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3), rec.hello(rec.layers(5), attempt=1), rec.frame(0, [0.2] * 5)]
    player = Player(rec.write(tmp_path / "run", events))
    player.clock.step(0)
    assert player.poll().hello
    while player.behind:
        player.poll()
    player.poll()  # it was a glimpse until now
    player.clock.step(1)
    assert player.poll().hello
    assert player.poll().count == 0
    player.clock.step(-1)
    assert player.poll().hello
    assert player.state.hello is not None
    assert len(player.state.hello.layers) == 3


def test_a_recording_that_cannot_be_read_is_the_systems_word(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Player(RunDirectory(tmp_path / "gone"))


def test_lines_that_could_not_be_read_are_told_of(tmp_path: Path) -> None:
    run = rec.write(tmp_path, EVENTS[:4])
    with run.events.open("ab") as file:
        file.write(b"nothing\n")
    rec.append(run, EVENTS[4:8])
    player = Player(run)
    assert player.passed_over == ""
    while player.behind:
        player.poll()
    assert player.passed_over.startswith(f"{run.events}: 1 line is no event and was passed over (line 5: ")
