"""`gradtui compare` on a terminal and beside one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gradtui.stream.events import End, Event
from gradtui.stream.run_directory import RunDirectory
from tests.command import COMMAND, environment, gradtui
from tests.terminal import RESTORED, Terminal
from tests.ui import recordings as rec


def two(tmp_path: Path) -> tuple[str, str]:
    hello = rec.hello(rec.layers(9))
    runs = []
    for name, decades in (("sick", 4.45), ("well", 0.5)):
        events: list[Event] = [
            hello,
            *(rec.frame(step, rec.vanishing(9, decades)) for step in range(0, 60, 6)),
            End(reason="finished", step=54),
        ]
        runs.append(str(rec.write(tmp_path / name, events).path))
    return runs[0], runs[1]


def test_on_a_terminal_it_is_the_first_runs_screen_with_the_second_ones_marks(tmp_path: Path) -> None:
    terminal = Terminal([*COMMAND, "compare", *two(tmp_path)], environment(tmp_path), 120, 40)
    try:
        terminal.wait_for_text("Against well at the same step")
        terminal.wait_for_text("profile at step 0 (hidden.0: +3.95 decades there)")
        row = next(line for line in terminal.text.splitlines() if line[2:10] == "hidden.0")
        assert "│" in row
        terminal.type("q")
        assert terminal.wait() == 0
        assert RESTORED in terminal.written
    finally:
        terminal.close()


def test_headless_prints_on_a_terminal_what_a_pipe_gets(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    piped = gradtui(tmp_path, "compare", first, second)
    assert "the profiles part at step 0: hidden.0, B +3.95 decades from A" in piped.stdout
    assert gradtui(tmp_path, "compare", first, second, "--headless").stdout == piped.stdout
    terminal = Terminal([*COMMAND, "compare", first, second, "--headless"], environment(tmp_path), 120, 40)
    try:
        assert terminal.wait() == 0
        assert terminal.written.decode().replace("\r\n", "\n") == piped.stdout
    finally:
        terminal.close()


def test_of_a_run_that_began_again_the_last_attempt_is_compared_and_it_says_so(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    assert "the losses never part" in gradtui(tmp_path, "compare", first, second).stdout
    hello = msgspec.structs.replace(rec.hello(rec.layers(9)), attempt=1)
    rec.append(RunDirectory(Path(second)), [hello, *(rec.frame(step, rec.vanishing(9), loss=9.0) for step in range(0, 60, 6))])
    assert "the losses of the last attempts part at step 0" in gradtui(tmp_path, "compare", first, second).stdout
