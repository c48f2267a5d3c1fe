"""The screen on a real terminal: leaving, detaching, coming back, and a terminal that nobody reads."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from gradtui.stream import commands
from gradtui.stream.events import End, Frame
from tests.command import COMMAND, environment
from tests.processes import recording, trainers, wait_for
from tests.terminal import RESTORED, Terminal

STALL = 5.0
"""Seconds for which nobody reads the terminal: it takes well under two until its buffers are full."""


def opened(run: Path, *arguments: str, columns: int = 120, rows: int = 40) -> Terminal:
    return Terminal([*COMMAND, *arguments], environment(run.parent), columns, rows)


def last_step(run: Path) -> int:
    return max((event.step for event in recording(run) if isinstance(event, Frame)), default=-1) if run.exists() else -1


def test_the_list_of_scenarios_starts_one_and_leaving_stops_it(tmp_path: Path) -> None:
    terminal = opened(tmp_path / "run")
    terminal.wait_for_text("deep-sigmoid")
    terminal.type("\r")
    terminal.wait_for_text("RUN")
    (path,) = (tmp_path / "gradtui" / "runs").iterdir()
    assert trainers(path)
    terminal.type("\x03")
    terminal.wait_for_text("still training")
    terminal.type("s")
    assert terminal.wait() == 0
    assert RESTORED in terminal.written
    assert not trainers(path)
    end = recording(path)[-1]
    assert isinstance(end, End)
    assert end.reason == "stopped"
    terminal.close()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 12)])
def test_a_run_detached_from_the_screen_goes_on_and_is_attached_to_again(run: Path, columns: int, rows: int) -> None:
    terminal = opened(run, "run", "deep-sigmoid", "--device", "cpu", "--run-dir", str(run), columns=columns, rows=rows)
    terminal.wait_for_text("RUN")
    terminal.type("q")
    terminal.wait_for_text("detach")
    terminal.type("d")
    assert terminal.wait() == 0
    terminal.close()
    assert trainers(run)
    step = last_step(run)
    wait_for(lambda: last_step(run) > step + 5, "steps after the viewer has left")

    again = opened(run, "attach", str(run), columns=columns, rows=rows)
    again.wait_for_text("RUN")
    again.type("q")
    assert again.wait() == 0
    again.close()
    assert trainers(run)
    commands.send(run / "commands.jsonl", do="stop")


def test_a_terminal_that_nobody_reads_does_not_slow_the_training(run: Path) -> None:
    terminal = opened(run, "run", "deep-sigmoid", "--device", "cpu", "--run-dir", str(run))
    wait_for(lambda: (terminal.read(), last_step(run) > 5)[1])
    time.sleep(STALL)
    stalled = last_step(run)
    wait_for(lambda: last_step(run) > stalled + 50, "steps while nobody reads")
    behind = last_step(run)
    wait_for(lambda: any(int(n) >= behind for n in _steps(terminal.text)), "the screen catches up")
    terminal.type("q")
    terminal.wait_for_text("still training")
    terminal.type("s")
    assert terminal.wait() == 0
    terminal.close()


def _steps(text: str) -> list[str]:
    words = text.replace(",", "").split()
    return [after for word, after in itertools.pairwise(words) if word == "step" and after.isdecimal()]


def test_a_terminal_that_cannot_show_a_screen_is_told_what_can(run: Path) -> None:
    terminal = Terminal(["env", "TERM=dumb", *COMMAND, "run", "deep-sigmoid", "--run-dir", str(run)], environment(run.parent))
    assert terminal.wait() == 2
    assert b"TERM=dumb" in terminal.written
    assert b"--headless" in terminal.written
    assert b"\x1b" not in terminal.written
    terminal.close()
