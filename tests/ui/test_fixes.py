"""What a warning names, one key does: all of it by one command, and nothing on the way there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Try, Warning
from gradtui.stream.events import Applied, End, Event
from gradtui.ui import changing, fixes
from gradtui.ui.chooser import ChoiceList, Chooser
from tests.ui import recordings as rec
from tests.ui.screens import Process, Showing, showing
from tests.ui.test_screen import sick_then_cured
from tests.ui.test_warnings import run, warning

OPENING: list[Event] = [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]


def with_tries(code: str, *tries: Try, severity: str = "warning") -> Warning:
    return msgspec.structs.replace(warning(code, severity), try_=list(tries))


def fix(toggle: str, value: Any, why: str = "it helped", **also: Any) -> Try:
    return Try(toggle=toggle, value=value, why=why, with_=also)


def advised(state: RunState) -> list[str]:
    return [fixes.advice(each, state, changeable=True) for each in fixes.worst_first(state.open)]


def test_warnings_that_agree_have_one_fix_and_its_words_are_what_is_set() -> None:
    state = run(with_tries("vanishing", fix("activation", "tanh", lr=0.1)), with_tries("plateau", fix("activation", "tanh", lr=0.1)))
    (found,) = fixes.suggested(state)
    assert found.settings == {"activation": "tanh", "lr": 0.1}
    assert found.codes == ("vanishing", "plateau")
    assert advised(state) == ["Press F for activation = tanh and lr = 0.1."] * 2
    state.settings["activation"] = "tanh"
    assert [fix.settings for fix in fixes.suggested(state)] == [{"lr": 0.1}]


def test_warnings_that_differ_offer_a_choice_the_worst_ones_first() -> None:
    state = run(with_tries("vanishing", fix("activation", "tanh")), with_tries("exploding", fix("clip", "norm"), severity="critical"))
    assert [fix.settings for fix in fixes.suggested(state)] == [{"clip": "norm"}, {"activation": "tanh"}]
    assert advised(state) == ["Press F to choose clipping = norm.", "Press F to choose activation = tanh."]


def test_what_is_done_or_mitigated_or_waits_for_a_restart_is_no_fix() -> None:
    done = run(with_tries("vanishing", fix("batch_norm", "off")))  # as it is set already
    mitigated = run(msgspec.structs.replace(warning(), mitigated="clipping"))
    spoilt = run(with_tries("non-finite", fix("batch_norm", "off"), fix("skip", "plain"), severity="critical"))
    assert [fixes.suggested(state) for state in (done, mitigated, spoilt)] == [[], [], []]
    assert (advised(done), advised(mitigated), advised(spoilt)) == ([""], [""], ["Now press r to restart."])


def told(s: Showing) -> str:
    return "".join(notification.message for notification in s.app._notifications)


async def suggesting(s: Showing, *warnings: Warning) -> None:
    s.screen.feed.state.open = {each.code: each for each in warnings}
    await s.settle()


@pytest.mark.parametrize("size", [(120, 40), (40, 12)])
async def test_the_key_sets_all_of_it_by_one_command_and_says_so(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, OPENING, process=Process(), size=size) as s:
        await suggesting(s, with_tries("vanishing", fix("activation", "relu", "then restart: it helped", lr=0.1)))
        await s.press("F")
        assert [command.set for command in s.commands()] == [{"activation": "relu", "lr": 0.1}]
        assert told(s) == "set activation = relu and lr = 0.1, then r"
        assert s.screen.controls.pending == {"activation": "relu", "lr": 0.1}
        for key, value in s.commands()[0].set.items():
            await s.append(Applied(id=s.commands()[0].id, step=1, toggle=key, value=value, note=f"the note on {key}"))
        assert s.screen.controls.pending == {}


async def test_a_key_that_is_held_down_sets_one_fix_and_not_those_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "HELD", 3600.0)
    async with showing(tmp_path, OPENING, process=Process()) as s:
        s.screen._fixed = -1e9
        await suggesting(s, with_tries("vanishing", fix("activation", "relu"), fix("skip", "plain")))
        await s.press("F")
        s.screen.feed.state.settings["activation"] = "relu"
        await s.press("F", "F")
        assert [command.set for command in s.commands()] == [{"activation": "relu"}]


async def test_of_several_fixes_one_is_chosen(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await suggesting(
            s, with_tries("vanishing", fix("activation", "tanh")), with_tries("exploding", fix("clip", "norm"), severity="critical")
        )
        await s.press("F")
        assert isinstance(s.app.screen, Chooser)
        assert "clipping = norm   for EXPLODING" in s.text()
        await s.press("F", "enter")
        assert [command.set for command in s.commands()] == [{"activation": "tanh"}]


async def test_a_toggles_own_list_has_the_suggestion_under_its_cursor(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await suggesting(s, with_tries("vanishing", fix("activation", "relu")))
        await s.press("a")
        assert s.app.screen.query_one(ChoiceList).highlighted == 2
        assert "relu   suggested" in s.text()
        assert "sigmoid   now" in s.text()
        await s.press("enter")
        assert s.commands()[-1].set == {"activation": "relu"}


async def test_where_nothing_is_suggested_or_can_be_done_the_key_says_so(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING) as s:
        await s.press("F")
        assert told(s) == "no open warning suggests a change"
        await s.append(End(reason="finished", step=9))
        await s.press("F")
        assert told(s) == "the run is over: no toggle acts on it any more"
        assert s.commands() == []


async def test_the_notes_of_one_command_are_one_note(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.append(*(Applied(id="x", step=1, toggle=key, value="on", note=f"about {key}") for key in ("one", "two")))
        assert told(s) == "one = on: about one; two = on: about two"


async def test_what_the_warning_on_the_screen_promises_its_key_does(tmp_path: Path) -> None:
    async with showing(tmp_path, sick_then_cured()[:20], process=Process()) as s:
        assert "Press F for batch norm = on." in " ".join(" ".join(line[82:] for line in s.text().splitlines()).split())
        await s.press("F")
        assert [command.set for command in s.commands()] == [{"batch_norm": "on"}]
