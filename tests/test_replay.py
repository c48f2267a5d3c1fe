"""`gradtui replay --headless` prints what the run itself printed, at once, and ends as it ended."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from gradtui.stream.events import End, Event
from tests.command import COMMAND, environment, gradtui
from tests.diagnose.streams import frame, hello
from tests.diagnose.test_postmortem import CURED
from tests.test_report import write

GONE = 2**22 + 1
"""No process has this number."""


def test_it_prints_what_the_live_run_printed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--steps", "60", "--every", "5", "--device", "cpu", "--at", "40:batch_norm=on", "--run-dir", str(run)]
    live = subprocess.run(
        [*COMMAND, "run", "deep-sigmoid", "--headless", "--json", *flags], capture_output=True, env=environment(tmp_path), timeout=300
    )
    again = subprocess.run(
        [*COMMAND, "replay", str(run), "--headless", "--json"], capture_output=True, env=environment(tmp_path), timeout=300
    )
    assert live.stdout.count(b'"warning"') > 0
    assert (again.returncode, again.stdout) == (live.returncode, live.stdout)


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (CURED, 0),
        ([hello(), frame(0), End(reason="crashed", step=0, error="boom")], 3),
        ([hello(host=socket.gethostname(), pid=GONE), frame(0)], 3),
        ([hello(host=socket.gethostname(), pid=os.getpid(), started=4e9), frame(0)], 0),
        ([], 0),
    ],
    ids=["finished", "crashed", "killed", "training", "empty"],
)
def test_it_waits_for_nothing_and_ends_as_the_run_did(tmp_path: Path, events: list[Event], code: int) -> None:
    run = write(tmp_path / "run", *events)
    for flags in (("--headless", "--json"), ("--headless",)):
        result = gradtui(tmp_path, "replay", run.path, *flags)
        assert result.returncode == code, result.stderr
        assert len(result.stderr.splitlines()) == (code != 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing", "--headless"], 4, "no such run"),
        ([], 2, "RUN"),
        (["RUN", "--json"], 2, "--json is for --headless"),
        (["RUN"], 2, "use --headless"),
    ],
)
def test_a_wrong_flag_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "RUN", hello(), frame(0))
    result = gradtui(tmp_path, "replay", *arguments)
    assert (result.returncode, len(result.stderr.splitlines())) == (code, 1)
    assert said in result.stderr
