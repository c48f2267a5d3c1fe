"""Every key does what the help says, and what a person asks reaches the trainer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.binding import Binding
from textual.widgets import OptionList

from gradtui.stream.events import Applied, End, Event, Toggle, Value
from gradtui.stream.run_directory import RunDirectory, RunError
from gradtui.ui import fixes, toggles
from gradtui.ui.app import Choice, GradApp, Watched
from gradtui.ui.bars import LayerBars
from gradtui.ui.chooser import ChoiceList, Chooser
from gradtui.ui.help import TextScreen, bare
from gradtui.ui.leave import LeaveScreen
from gradtui.ui.life import Trainer
from gradtui.ui.pages import PagesScreen
from gradtui.ui.picker import Picker, ScenarioList
from gradtui.ui.prompt import Prompt
from gradtui.ui.run_screen import RunScreen
from gradtui.ui.toggles import HOTKEYS, TogglesPanel
from tests.ui import recordings as rec
from tests.ui.screens import NOWHERE, Process, Showing, listing, showing, until

OPENING: list[Event] = [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]
BOUND = (GradApp, RunScreen, LayerBars, TogglesPanel, TextScreen, PagesScreen, LeaveScreen, Prompt, ScenarioList, Chooser, ChoiceList)


def bindings(*types: type[Any]) -> list[tuple[type[Any], Binding]]:
    return [(owner, binding) for owner in types for binding in owner.BINDINGS]


def keys(binding: Binding) -> list[str]:
    return [key.strip() for key in binding.key.split(",")]


def test_every_binding_has_an_id_of_its_own_and_words() -> None:
    found = [binding for _, binding in bindings(*BOUND)]
    ids = [binding.id for binding in found]
    assert all(ids)
    assert len(ids) == len(set(ids))
    assert all(binding.description for binding in found)


def test_the_toggles_keys_are_bound_to_nothing_else() -> None:
    others = [key for owner, binding in bindings(*BOUND[:4]) if not str(binding.id).startswith("toggle.") for key in keys(binding)]
    assert not set(others) & set(HOTKEYS)
    assert set(others) & {key.upper() for key in HOTKEYS if key.isalpha()} == {fixes.KEY}
    assert fixes.KEY not in {key for binding in toggles.hotkeys() if isinstance(binding, Binding) for key in keys(binding)}


def recorded(monkeypatch: pytest.MonkeyPatch, owner: type[Any], fired: list[str]) -> None:
    """Make every action of `owner` only say that it fired."""
    for binding in owner.BINDINGS:
        name = binding.action.partition("(")[0]

        def action(self: object, *arguments: object, _name: str = name) -> None:
            fired.append(_name)

        monkeypatch.setattr(owner, f"action_{name}", action, raising=False)


async def fires(s: Showing, binding: Binding, fired: list[str]) -> None:
    """Every key of `binding` does what it says and nothing else."""
    for key in keys(binding):
        fired.clear()
        await s.pilot.press(key)
        await until(lambda: fired, lambda: f"an action of {binding}")
        assert fired == [bare(binding)], (key, binding)


@pytest.mark.parametrize("owner", [GradApp, RunScreen, LayerBars, TogglesPanel])
async def test_every_key_of_the_run_screen_fires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type[Any]) -> None:
    toggles = [Toggle(key=f"t{key}", label=key, kind="choice", value="a", choices=["a", "b"], hotkey=key) for key in HOTKEYS]
    fired: list[str] = []
    async with showing(tmp_path, [rec.hello(rec.layers(9), toggles=toggles), *OPENING[1:]]) as s:
        recorded(monkeypatch, owner, fired)
        if owner is TogglesPanel:
            s.screen.query_one(TogglesPanel).focus()
            await s.settle()
        for binding in owner.BINDINGS:
            await fires(s, binding, fired)


@pytest.mark.parametrize(("owner", "opening"), [(TextScreen, "question_mark"), (Prompt, "slash"), (LeaveScreen, "q"), (Chooser, "c")])
async def test_every_key_of_the_dialogs_fires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type[Any], opening: str) -> None:
    fired: list[str] = []
    async with showing(tmp_path, OPENING, process=Process()) as s:
        recorded(monkeypatch, owner, fired)
        await s.press(opening)
        assert isinstance(s.app.screen, owner)
        for binding in owner.BINDINGS:
            await fires(s, binding, fired)


async def answer(s: Showing, key: str) -> str:
    """What is said when a key is pressed."""
    await s.press(key)
    return "".join(notification.message for notification in s.app._notifications)


def in_help(s: Showing) -> set[str | None]:
    """The ids of the bindings that the help lists."""
    return {binding.id for _, bound in s.app.key_sections() for binding in bound}


def content(s: Showing) -> str:
    """All of a dialog, however little of it is on the screen."""
    lines = s.app.screen.query_one("#content")
    return "\n".join(lines.render_line(y).text for y in range(lines.size.height))


async def test_verbs_reach_the_trainer(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("space", "full_stop", "r")
        assert [command.do for command in s.commands()] == ["pause", "step", "restart"]
        await s.append(Applied(id="x", step=1, toggle="pause"))
        assert "PAUSED" in s.text()
        await s.press("space")
        assert s.commands()[-1].do == "resume"


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_watched_loop_without_control_is_offered_no_key_that_it_would_not_hear(tmp_path: Path, size: tuple[int, int]) -> None:
    hello = msgspec.structs.replace(rec.hello(rec.layers(9), toggles=[]), scenario={"name": "mine", "watched": True})
    async with showing(tmp_path, [hello, *OPENING[1:]], size=size) as s:
        for key, told in (("space", "looked at"), ("full_stop", "looked at"), ("r", "where this training was started"), ("R", "scenarios")):
            assert told in await answer(s, key)
        assert s.commands() == []
        assert not {"run.pause", "run.step", "run.restart", "run.doctor", "toggles.change", "toggles.more"} & in_help(s)
        s.app.clear_notifications()
        await s.settle()
        footer = s.text().splitlines()[-1]
        assert "Measure" in footer
        assert not any(word in footer for word in ("Pause", "Step", "Restart"))
        assert "control=True" in s.text()
        assert "press the key" not in s.text()


async def test_a_watched_loop_with_control_can_be_paused_but_not_begun_again(tmp_path: Path) -> None:
    toggles = [Toggle(key="lr_scale", label="learning rate ×", kind="number", value=1.0)]
    hello = msgspec.structs.replace(rec.hello(rec.layers(9), toggles=toggles), scenario={"name": "mine", "watched": True})
    async with showing(tmp_path, [hello, *OPENING[1:]]) as s:
        await s.press("space", "full_stop", "r")
        assert [command.do for command in s.commands()] == ["pause", "step"]
        assert "scenarios" in await answer(s, "R")
        assert {"run.pause", "run.step", "toggles.change"} < in_help(s)
        assert not {"run.restart", "run.doctor"} & in_help(s)
        assert "Restart" not in s.text()
        assert "control=True" not in s.text()


async def test_of_more_than_two_choices_a_hotkey_offers_the_next_one_and_shift_the_one_before(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        for keys, chosen in (
            (("c", "enter"), {"clip": "norm"}),
            (("c", "c", "enter"), {"clip": "off"}),  # from norm on: value, and round again
            (("N", "enter"), {"batch_norm": "no_affine"}),
            (("a", "A", "enter"), {"activation": "sigmoid"}),
            (("s", "down", "enter"), {"skip": "plain"}),
        ):
            before = len(s.commands())
            await s.press(*keys[:-1])
            assert isinstance(s.app.screen, Chooser)
            assert len(s.commands()) == before, "a choice was passed through"
            await s.press(keys[-1])
            assert [command.set for command in s.commands()[before:]] == [chosen]
        await s.press("c", "c", "escape")
        await s.press("c", "q")
        assert s.app.screen is s.screen
        assert len(s.commands()) == 5


@pytest.mark.parametrize("key", ["p", "P"])
async def test_a_toggle_with_two_choices_flips_at_once(tmp_path: Path, key: str) -> None:
    flag = Toggle(key="flag", label="flag", kind="choice", value="off", choices=["off", "on"], hotkey="p")
    async with showing(tmp_path, [rec.hello(rec.layers(9), toggles=[flag]), *OPENING[1:]], process=Process()) as s:
        await s.press(key, key)
        assert [command.set for command in s.commands()] == [{"flag": "on"}, {"flag": "off"}]


async def test_a_long_list_of_choices_scrolls_and_is_cut_at_no_size(tmp_path: Path) -> None:
    freeze = Toggle(key="freeze", label="freeze layer", kind="choice", value="none", choices=["none", *map(str, range(500))], hotkey="f")
    async with showing(tmp_path, [rec.hello(rec.layers(9), toggles=[freeze]), *OPENING[1:]], process=Process(), size=(40, 12)) as s:
        await s.press("f", "end")
        assert "499" in s.text()
        assert "freeze layer: f or arrows, then enter" in s.text()
        await s.press("enter")
        assert s.commands()[-1].set == {"freeze": "499"}


async def test_a_change_is_pending_until_it_is_applied(tmp_path: Path) -> None:
    def row() -> str:
        return next(line for line in s.text().splitlines() if "batch norm" in line)

    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("n", "enter")
        assert "→ on…" in row()
        await s.append(Applied(id=s.commands()[-1].id, step=5, toggle="batch_norm", value="on"))
        assert "→" not in row()
        assert "on" in row()


async def test_a_refusal_shows_its_reason(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("s", "enter")
        await s.append(Applied(id=s.commands()[-1].id, step=5, toggle="skip", reason="these layers differ in width"))
        assert "these layers differ in width" in s.text()
        assert "refused" in next(line for line in s.text().splitlines() if " skip " in line)


async def test_a_toggle_that_does_not_apply_says_why_and_sends_nothing(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        assert "n/a" in next(line for line in s.text().splitlines() if " cell " in line)
        await s.press("u")
        assert "no recurrence" in s.text()
        assert s.commands() == []


async def test_a_number_is_asked_for_and_checked(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("e")
        assert isinstance(s.app.screen, Prompt)
        assert "lr: a number of 0 or more, then enter; escape leaves it as it was" in s.text()
        await s.press("end", *["backspace"] * 6, "minus", "1", "enter")
        assert "at least 0" in s.text()
        assert s.commands() == []
        await s.press("backspace", "backspace", "1", "e", "minus", "3", "enter")
        assert s.commands()[-1].set == {"lr": 1e-3}
        await s.press("e", "escape")
        assert len(s.commands()) == 1


async def test_the_panel_changes_toggles_with_cursor_and_mouse(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        panel = s.screen.query_one(TogglesPanel)
        panel.focus()
        await s.press("down", "plus")
        assert s.commands()[-1].set == {"clip_threshold": 2.0}
        await s.press("minus")
        assert s.commands()[-1].set == {"clip_threshold": 1.0}
        await s.press("up", "enter", "enter")
        assert s.commands()[-1].set == {"clip": "norm"}
        await s.click(panel, 5, 2)
        await s.press("enter")
        assert s.commands()[-1].set == {"batch_norm": "on"}


async def test_a_small_panel_shows_a_page_of_toggles_and_says_how_many_more(tmp_path: Path) -> None:
    def panel() -> list[str]:
        return s.text().splitlines()[17:20]

    toggles = [msgspec.structs.replace(rec.TOGGLES[0], key=f"t{n}", label=f"toggle {n}", hotkey="") for n in range(12)]
    toggles.append(msgspec.structs.replace(rec.TOGGLES[7], hotkey=""))
    async with showing(tmp_path, [rec.hello(rec.layers(9), toggles=toggles), *OPENING[1:]], size=(80, 24), process=Process()) as s:
        assert [[cell.split()[1] for cell in (row[1:26], row[27:52])] for row in panel()] == [["0", "3"], ["1", "4"], ["2", "5"]]
        assert "+5 more: tab" in panel()[2]
        await s.press("tab", *["down"] * 8, "enter", "enter")
        assert s.commands()[-1].set == {"t8": "norm"}
        assert "toggle 8" in panel()[0]
        assert "toggle 0" not in "".join(panel())
        await s.press("down", "down", "down", "down")
        assert "no recurrence" in "".join(panel())
        await s.press("up")
        assert "no recurrence" not in "".join(panel())
        await s.click(s.screen.query_one(TogglesPanel), 5, 1)
        await s.press("enter")
        assert s.commands()[-1].set == {"t9": "norm"}
        await s.press("shift+tab")
        assert "toggle 0" in panel()[0]


async def test_the_cursor_and_the_filter_find_a_layer(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(200)), rec.frame(0, rec.vanishing(200))]) as s:
        bars = s.screen.query_one(LayerBars)
        await s.press("G")
        assert bars.current == 199
        await s.press("g", "j", "down", "k")
        assert bars.current == 1
        await s.press("pagedown")
        assert bars.current is not None
        assert bars.current > 15
        await s.press("slash", "1", "7", "enter")
        assert [line[2:12].strip() for line in s.text().splitlines()[2:4]] == ["hidden.17", "hidden.117"]
        await s.press("down", "enter")
        assert "hidden.117" in s.text()
        assert "weight norm" in s.text()
        await s.press("escape", "escape")
        assert "hidden.0 " in s.text()


async def test_a_click_moves_the_cursor_and_the_wheel_scrolls(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(200)), rec.frame(0, rec.vanishing(200))]) as s:
        bars = s.screen.query_one(LayerBars)
        await s.click(bars, 30, 6)
        assert bars.current == 5
        first = bars.visible_rows.start
        bars.query_one("#body").scroll_down(animate=False)
        await s.settle()
        assert bars.visible_rows.start > first
        assert f" {bars.visible_rows.start + 1}-" in s.text().splitlines()[1]


@pytest.mark.parametrize("width", [60, 66, 72, 80, 99, 100, 120])
@pytest.mark.parametrize("focus", ["bars", "toggles"])
async def test_the_footer_names_whole_keys_and_always_the_way_out_and_to_the_others(tmp_path: Path, width: int, focus: str) -> None:
    async with showing(tmp_path, OPENING, size=(120, 24), process=Process()) as s:
        await s.press(*["tab"] * (focus == "toggles"))
        assert "enter Change" in s.text().splitlines()[-1] or focus == "bars"
        await s.resize(width, 24)
        footer = s.text().splitlines()[-1]
        assert " q Leave  ? Help" in footer
        assert ("palette" in footer) == (width >= 100)
        names = {binding.binding.description for binding in s.screen.active_bindings.values()}
        assert set(re.findall(r"[A-Z]\w+", footer)) <= names
        await s.press("full_stop")
        assert s.commands()[-1].do == "step"


async def test_the_footer_says_what_the_key_does_now(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        assert "space Pause" in s.text()
        await s.append(Applied(id="x", step=5, toggle="pause"))
        assert "PAUSED" in s.text()
        assert "space Go on" in s.text()
        await s.append(Applied(id="y", step=5, toggle="resume"))
        assert "space Pause" in s.text()


async def test_leaving_asks_while_it_trains(tmp_path: Path) -> None:
    for key, choice in (("s", "stop"), ("d", "detach")):
        async with showing(tmp_path / key, OPENING, process=Process()) as s:
            await s.press("q", "c")
            assert s.app.is_running
            await s.press("q", key)
        outcome = s.app.return_value
        assert outcome is not None
        assert outcome.choice == choice
        assert outcome.watched is not None
        assert outcome.watched.run == s.run
        assert s.commands() == []


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_leaving_an_attached_run_does_not_ask_nor_touch_it(tmp_path: Path, key: str) -> None:
    async with showing(tmp_path, OPENING) as s:
        await s.press(key)
    assert s.app.return_value is not None
    assert s.app.return_value.choice == "leave"
    assert s.commands() == []


async def test_a_crash_of_an_attached_run_offers_no_key_that_does_nothing(tmp_path: Path) -> None:
    """Its open warning names no toggle's key either, and `r` and space say why they do nothing."""
    hello = msgspec.structs.replace(rec.hello(rec.layers(9)), scenario={"name": "mine", "watched": True})
    sick = [rec.frame(step, rec.vanishing(9)) for step in range(10)]
    async with showing(tmp_path, [hello, *sick, End(reason="crashed", step=9, error="boom")]) as s:
        text = s.text()
        assert "CRASHED boom" in text
        assert "one to try." in text
        assert "Press" not in text
        for key, told in (("space", "the run is over"), ("r", "only where this training was started can it begin again")):
            assert await answer(s, key) == told
        assert s.commands() == []


async def test_attached_to_a_run_that_is_over_nothing_is_offered_that_cannot_be_done(tmp_path: Path) -> None:
    def footer() -> str:
        return s.text().splitlines()[-1]

    async with showing(tmp_path, OPENING) as s:
        assert "Pause" in footer()
        assert "press the key" in s.text()
        await s.append(End(reason="finished", step=9))
        assert "Measure" in footer()
        assert not any(word in footer() for word in ("Pause", "Step", "Restart"))
        assert "as they stood" in s.text()
        titles = [command.title for command in s.app.get_system_commands(s.app.screen)]
        assert not any(title.startswith(("Pause", "Step", "Restart", "Toggle")) for title in titles)
        for key, told in (("full_stop", "the run is over"), ("e", "the run is over: no toggle acts on it any more")):
            await s.press(key)
            assert not isinstance(s.app.screen, Prompt)
            assert [notification.message for notification in s.app._notifications] == [told]
        assert await answer(s, "r") == "this run is over, and this viewer did not start it: gradtui run starts another"
        assert not {"run.pause", "run.step", "run.restart", "toggles.change"} & in_help(s)
        await s.press("question_mark")
        assert "Toggles (" not in content(s)
        assert s.commands() == []


async def test_a_run_that_ends_while_a_number_is_typed_says_that_it_is_too_late(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING) as s:
        await s.press("e")
        assert isinstance(s.app.screen, Prompt)
        await s.append(End(reason="finished", step=9))
        await s.press("enter")
        assert "no toggle acts on it any more" in s.text()
        assert s.commands() == []


async def test_a_run_of_ones_own_that_is_over_offers_only_to_begin_again(tmp_path: Path) -> None:
    ended = [*OPENING, End(reason="finished", step=9)]
    async with showing(tmp_path, ended, process=Process(0), restart=lambda run, settings: Process()) as s:
        footer = s.text().splitlines()[-1]
        assert "Restart" in footer
        assert not any(word in footer for word in ("Pause", "Step"))
        assert "Toggle batch norm" in [command.title for command in s.app.get_system_commands(s.app.screen)]


async def test_leaving_a_finished_run_does_not_ask(tmp_path: Path) -> None:
    async with showing(tmp_path, [*OPENING, End(reason="finished", step=9)], process=Process(0)) as s:
        assert "DONE" in s.text()
        await s.press("q")
    assert s.app.return_value is not None
    assert s.app.return_value.choice == "leave"


async def test_ctrl_c_twice_stops(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("ctrl+c", "ctrl+c")
    assert s.app.return_value is not None
    assert s.app.return_value.choice == "stop"


async def test_a_dead_run_is_started_again_with_the_toggles_as_they_were_asked(tmp_path: Path) -> None:
    started: list[tuple[RunDirectory, dict[str, Value]]] = []

    def restart(run: RunDirectory, settings: dict[str, Value]) -> Trainer:
        started.append((run, settings))
        return Process()

    ended: list[Event] = [*OPENING, Applied(id="x", step=3, toggle="skip", value="scaled"), End(reason="crashed", step=9, error="boom")]
    async with showing(tmp_path, ended, size=(80, 24), process=Process(3), restart=restart) as s:
        await s.press("c", "enter", "r")
        assert s.screen.life.word == "STARTING"
        await s.append(rec.hello(rec.layers(9), attempt=1), rec.frame(0, rec.vanishing(9)))
        assert s.screen.life.word == "RUN"
        assert s.screen.controls.pending == {}
    assert started[0][0] == s.run
    assert (started[0][1]["clip"], started[0][1]["skip"]) == ("norm", "scaled")


async def test_a_restart_that_fails_is_said_in_a_line(tmp_path: Path) -> None:
    def restart(run: RunDirectory, settings: dict[str, Value]) -> Trainer:
        raise RunError("no room for another trainer")

    async with showing(tmp_path, [*OPENING, End(reason="finished", step=9)], restart=restart) as s:
        assert await answer(s, "r") == "no room for another trainer"


async def test_help_names_every_key_and_every_toggle(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press("question_mark")
        shown = content(s)
        for _, binding in bindings(GradApp, RunScreen, LayerBars, TogglesPanel):
            if binding.tooltip:
                assert binding.tooltip[:40].strip() in shown, binding
        for toggle in rec.TOGGLES:
            assert f"{toggle.label}: " in shown
        assert "no recurrence" in shown


async def test_help_has_the_numbers_that_are_in_force(tmp_path: Path) -> None:
    async with showing(tmp_path, [*OPENING, Applied(id="x", step=3, toggle="lr", value=0.5)], process=Process()) as s:
        await s.press("question_mark")
        assert "lr: a number, now 0.5" in content(s)


async def test_the_palette_has_every_action(tmp_path: Path) -> None:
    async with showing(tmp_path, OPENING, process=Process()) as s:
        titles = [command.title for command in s.app.get_system_commands(s.app.screen)]
        for _, binding in bindings(GradApp, RunScreen, LayerBars):
            if not str(binding.id).startswith("toggle."):
                assert any(title.startswith(f"{binding.description} (") for title in titles), binding
        assert "Down (down j)" in titles
        assert len(set(titles)) == len(titles)
        assert len([title for title in titles if title.startswith("Help")]) == 1
        assert "Toggle batch norm" in titles
        command = next(c for c in s.app.get_system_commands(s.app.screen) if c.title == "Toggle batch norm")
        command.callback()
        await s.press("enter")
        assert s.commands()[-1].set == {"batch_norm": "on"}


@pytest.mark.parametrize("key", ["ctrl+p", "a"])
async def test_a_page_of_a_list_that_has_no_room_ends_nothing(tmp_path: Path, key: str) -> None:
    """Nor has one that has not been laid out yet, as on a slow line."""
    async with showing(tmp_path, OPENING, process=Process()) as s:
        await s.press(key)
        found = s.app.screen.query_one(OptionList)
        found.highlighted = 0
        found.styles.height = 0
        await s.settle()
        await s.press("pagedown", "pageup")
        assert s.app.is_running
        await s.press("escape")
        assert s.app.screen is s.screen


async def test_f8_saves_a_picture_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with showing(tmp_path / "run", OPENING) as s:
        await s.press("f8")
        (svg,) = tmp_path.glob("*.svg")
        assert "<svg" in svg.read_text()
        assert "hidden.0" in svg.with_suffix(".txt").read_text()
        assert "saved" in s.text()


CHOICES = [
    Choice("deep-sigmoid", "Deep sigmoid", "Vanishing", "Nothing learns", (("Cause", "The slope of \x1b[2J sigmoid is at most 1/4."),)),
    Choice("exploding-relu", "Exploding ReLU", "Exploding", "Ends in NaN"),
]


async def test_the_list_shows_what_each_scenario_teaches_and_starts_it(tmp_path: Path) -> None:
    run = rec.write(tmp_path, OPENING)
    started: list[str] = []

    def start(name: str) -> Watched:
        started.append(name)
        return Watched(run, Process())

    async with listing(CHOICES, start, run=run) as s:
        for words in ("Vanishing", "Exploding", "Deep sigmoid", "Nothing learns", "The slope of"):
            assert words in s.text()
        assert "\x1b" not in s.text()
        await s.press("j")
        assert "Ends in NaN" in s.text()
        await s.pilot.press("enter")
        await until(lambda: s.app.run_screen and s.app.run_screen.looks)
        assert started == ["exploding-relu"]
        await s.press("escape", "s")
        assert isinstance(s.app.screen, Picker)
    assert [command.do for command in s.commands()] == ["stop"]


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (80, 12)])
async def test_what_is_said_of_a_scenario_can_be_read_to_its_end_by_keys(size: tuple[int, int]) -> None:
    """A long title goes on under its own beginning, and where no footer says the keys the heading does."""
    told = ("Cause", " ".join(f"word{n}" for n in range(120)))
    one = Choice("long", "A title of so many words that one line has no room for it", "Tour", "What it shows, to the last", (told,))
    async with listing([one, *CHOICES], lambda name: Watched(NOWHERE), size=size) as s:
        text = s.text()
        assert "  A title of so many words that one\n" in "\n".join(line[:38].rstrip() for line in text.splitlines())
        assert "\n    line has no room for it" in text
        assert ("enter runs it, ? keys" in text) == (size != (80, 24))
        if size == (40, 12):
            assert "What it shows, to the last" in text
            return
        await s.press(*["space"] * 6, "pagedown")
        assert "word119" in s.text()
        await s.press("pageup")
        assert "word119" not in s.text()
        await s.press("j")
        assert "Deep sigmoid  deep-sigmoid" in s.text()


async def test_every_key_of_the_list_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[str] = []
    async with listing(CHOICES, lambda name: Watched(NOWHERE)) as s:
        recorded(monkeypatch, ScenarioList, fired)
        for binding in ScenarioList.BINDINGS:
            assert isinstance(binding, Binding)
            await fires(s, binding, fired)


async def test_a_scenario_that_cannot_start_is_said_in_a_line() -> None:
    def start(name: str) -> Watched:
        raise RunError("the state directory is not writable")

    async with listing(CHOICES, start) as s:
        assert await answer(s, "enter") == "the state directory is not writable"
        assert isinstance(s.app.screen, Picker)


async def test_a_cursor_without_a_row_to_go_to_stays_where_it_is(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(5)), rec.frame(0, rec.vanishing(5))]) as s:
        await s.press("slash", "z", "z", "enter")
        assert "no layer" in s.text()
        await s.press("down", "up", "j", "k", "pagedown", "pageup", "B")
        await s.press("escape")
        assert "hidden.0" in s.text()
