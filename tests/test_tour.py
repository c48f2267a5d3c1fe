"""The guided tour: every stop is a script whose expectations hold, and one that fails is told and is exit code 1."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gradtui import tour
from gradtui.cli_run import Flags, run
from gradtui.script import ScriptError
from tests.terminal import Terminal

STOPS = tour.stops()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.scenario.name)
def test_what_the_guide_says_happens(stop: tour.Stop) -> None:
    assert run(Flags(scenario=stop.scenario.name, script=stop.path, headless=True)) == 0


def test_eight_scenarios_in_their_order_each_with_something_to_see() -> None:
    assert [int(stop.path.stem.partition("-")[0]) for stop in STOPS] == list(range(1, 9))
    assert len({stop.scenario.name for stop in STOPS}) == 8
    for stop in STOPS:
        assert stop.script.expectations
        assert stop.script.schedule
        assert stop.title
        assert all(remark.text and remark.statements for remark in stop.remarks)
        told = sum(len(remark.statements) for remark in stop.remarks)
        assert told == len(stop.script.expectations) + len(stop.script.schedule)


def test_on_the_screen_the_stops_are_a_list_with_what_the_guide_says(tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-m", "gradtui", "tour"], os.environ | {"XDG_STATE_HOME": str(tmp_path)}, columns=120, rows=40)
    terminal.wait_for_text("1 Vanishing")
    terminal.wait_for_text("From step 200")
    terminal.type("j\r")  # the second
    terminal.wait_for_text("RUN")
    (path,) = (tmp_path / "gradtui" / "runs").iterdir()
    assert path.name.startswith(STOPS[1].scenario.name)
    terminal.type("\x03")
    terminal.wait_for_text("still training")
    terminal.type("s")
    assert terminal.wait() == 0
    terminal.close()


SCRIPT = """# Vanishing
# Look at
# the bars.
expect vanishing before 60
expect no vanishing before 60

# Nothing is switched on.
at 100 set clip=norm
"""


def test_a_failed_expectation_is_told_beside_its_statement_and_is_exit_code_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "1-deep-sigmoid.gradtui"
    path.write_text(SCRIPT)
    assert tour.run([tour.load(path)]) == 1
    assert capfd.readouterr().out.splitlines() == [
        "1/1  Vanishing: gradtui run deep-sigmoid",
        "",
        "  Look at the bars.",
        "    ok   expect vanishing before 60",
        "  FAILS  expect no vanishing before 60: it was open from step 50 to 599",
        "",
        "  Nothing is switched on.",
        "         at 100 set clip=norm",
        "",
    ]


def test_remarks_are_headed_by_the_step_at_which_something_is_set(tmp_path: Path) -> None:
    path = tmp_path / "1-deep-sigmoid.gradtui"
    path.write_text(SCRIPT)
    assert [remark.heading for remark in tour.load(path).remarks] == ["Look", "From step 100"]


def test_a_stop_with_a_wrong_statement_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "1-deep-sigmoid.gradtui"
    path.write_text(SCRIPT + "expect happiness before 3\n")
    with pytest.raises(ScriptError, match=r"1-deep-sigmoid\.gradtui:9: happiness: no such warning"):
        tour.load(path)
