"""The app on a real terminal: whatever ends it, the terminal is as it was and the exit code says what happened."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.ui import recordings as rec

VIEWER = """
import os, signal, sys
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from gradtui.ui import terminal
terminal.prepare(os.environ)
from pathlib import Path
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.app import GradApp, Watched
app = GradApp(Watched(RunDirectory(Path(sys.argv[1]))))
if "nohup" in sys.argv:  # as a scheduler does that wants its job to outlive the terminal
    app._mind = app._mind_the_terminal
    def mind():
        app._mind()
        import asyncio
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    app._mind_the_terminal = mind
outcome = app.run()
if "nohup" not in sys.argv:  # there nobody is left to read it
    print("choice:", outcome and outcome.choice, flush=True)
os._exit(app.return_code or 0)
"""

PAINTED = b"hidden.0"
LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOWN_CURSOR = b"\x1b[?25h"
MOUSE_OFF = b"\x1b[?1003l"


def start(run: Path, *flags: str) -> tuple[int, int]:
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"})
        os.execv(sys.executable, [sys.executable, "-c", VIEWER, str(run), *flags])
    return pid, fd


def read_until(fd: int, wanted: bytes, seconds: float = 60) -> bytes:
    """What is written until `wanted` was, or until the end."""
    seen = b""
    deadline = time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < deadline:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                data = os.read(fd, 1 << 16)
            except OSError:
                return seen
            if not data:
                return seen
            seen += data
    return seen


def ended(pid: int, seconds: float = 30) -> int:
    """The exit code of a process that must end by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the screen did not end")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return rec.write(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]).path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_the_terminal_restored(recording: Path, number: signal.Signals) -> None:
    pid, fd = start(recording)
    assert PAINTED in read_until(fd, PAINTED)
    os.kill(pid, number)
    rest = read_until(fd, b"choice: leave")
    assert b"choice: leave" in rest
    for code in (LEFT_ALTERNATE_SCREEN, SHOWN_CURSOR, MOUSE_OFF):
        assert code in rest
    assert ended(pid) == 128 + number
    os.close(fd)


def test_q_ends_it_with_the_terminal_restored(recording: Path) -> None:
    pid, fd = start(recording)
    read_until(fd, PAINTED)
    os.write(fd, b"q")
    rest = read_until(fd, b"choice: leave")
    assert LEFT_ALTERNATE_SCREEN in rest
    assert ended(pid) == 0
    os.close(fd)


def test_a_terminal_that_is_gone_ends_it_even_where_the_hangup_signal_is_ignored(recording: Path) -> None:
    pid, fd = start(recording, "nohup")
    assert PAINTED in read_until(fd, PAINTED)
    os.close(fd)
    assert ended(pid) == 128 + signal.SIGHUP
