"""The app on a real terminal: whatever ends it, the terminal is as it was and the exit code says what happened."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terminal import RESTORED, Terminal
from tests.ui import recordings as rec

VIEWER = """
import os, signal, sys
from gradtui.ui import app, terminal
terminal.prepare(os.environ)
from pathlib import Path
from gradtui.stream.run_directory import RunDirectory
viewer = app.GradApp(app.Watched(RunDirectory(Path(sys.argv[1]))))
if "nohup" in sys.argv:  # as a scheduler does that wants its job to outlive the terminal
    mind = viewer._mind_the_terminal
    def mind_all_but_hang_up():
        mind()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    viewer._mind_the_terminal = mind_all_but_hang_up
else:
    app.GRACE = 3600.0  # a slow machine closes the screen itself, too
outcome = viewer.run()
if "nohup" not in sys.argv:  # there nobody is left to read it
    print("choice:", outcome and outcome.choice, flush=True)
os._exit(viewer.return_code or 0)
"""

PAINTED = "hidden.0"
SHOWN_CURSOR = b"\x1b[?25h"
MOUSE_OFF = b"\x1b[?1003l"


@contextmanager
def viewing(run: Path, *flags: str) -> Iterator[Terminal]:
    """The viewer, once it has painted the bars."""
    terminal = Terminal([sys.executable, "-c", VIEWER, str(run), *flags], os.environ, columns=80, rows=24)
    try:
        terminal.wait_for_text(PAINTED)
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return rec.write(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]).path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_the_terminal_restored(recording: Path, number: signal.Signals) -> None:
    with viewing(recording) as terminal:
        os.kill(terminal.process.pid, number)
        assert terminal.wait() == 128 + number
        for code in (b"choice: leave", RESTORED, SHOWN_CURSOR, MOUSE_OFF):
            assert code in terminal.written


def test_q_ends_it_with_the_terminal_restored(recording: Path) -> None:
    with viewing(recording) as terminal:
        terminal.type("q")
        assert terminal.wait() == 0
        for code in (b"choice: leave", RESTORED):
            assert code in terminal.written


def test_a_terminal_that_is_gone_ends_it_even_where_the_hangup_signal_is_ignored(recording: Path) -> None:
    with viewing(recording, "nohup") as terminal:
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP
