"""What `gradtui runs` tells of a recording by its two ends."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from gradtui import listing
from gradtui.listing import _row, recorded, runs_text
from gradtui.stream import run_directory
from gradtui.stream.events import End, encode
from gradtui.stream.run_directory import RunDirectory
from tests.command import gradtui
from tests.diagnose.streams import frame, hello
from tests.ui import recordings as rec


@pytest.mark.parametrize(
    ("scenario", "told"), [({"name": "deep", "model": "mlp"}, ("deep", False)), ({"name": "mine", "watched": True}, ("", True))]
)
def test_a_watched_training_is_no_scenario(tmp_path: Path, scenario: dict[str, Any], told: tuple[str, bool]) -> None:
    found = recorded(rec.write(tmp_path, [hello(scenario=scenario), frame(0)]))
    assert (found.scenario, found.watched) == told


@pytest.mark.parametrize(("age", "told"), [(150, "2 min"), (3 * 3600 + 1800, "3 h"), (3 * 86400, "3 days")])
def test_of_a_run_on_another_host_that_is_silent_it_says_for_how_long_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, told: str
) -> None:
    run = rec.write(tmp_path, [hello(host="gpu-7"), frame(4)])
    os.utime(run.events, (time.time() - age,) * 2)
    monkeypatch.setattr(listing, "all_runs", lambda: [run])
    found = recorded(run)
    assert (found.state, found.host) == ("silent", "gpu-7")
    assert found.silent_for == pytest.approx(age, abs=30)
    (row,) = runs_text().splitlines()[1:]
    assert " silent " in row
    assert row.endswith(f"  silent for {told}, on gpu-7")


def test_a_run_on_another_host_that_writes_is_running_and_one_that_has_ended_is_not_silent(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [hello(host="gpu-7"), frame(4)])
    assert recorded(run).state == "running"
    rec.append(run, [End(reason="finished", step=4)])
    os.utime(run.events, (0, 0))
    assert (recorded(run).state, recorded(run).silent_for) == ("finished", None)


def test_a_run_on_this_host_is_running_however_silent_while_its_process_is_there(tmp_path: Path) -> None:
    run = rec.write(tmp_path, [hello(host=socket.gethostname(), pid=os.getpid(), started=time.time()), frame(4)])
    os.utime(run.events, (0, 0))
    assert recorded(run).state == "running"


LONG_AGO = 1e9
HALF = encode(hello())[:40]


@pytest.mark.parametrize(
    ("data", "age", "state"),
    [
        (encode(End(reason="stopped", step=-1)), 0.0, "stopped"),
        (encode(End(reason="crashed", step=-1, error="model: no such module")), 0.0, "crashed"),
        (encode(hello()) + encode(End(reason="stopped", step=-1)), 0.0, "stopped"),
        (b"", 0.0, "starting"),
        (HALF, 0.0, "starting"),
        (b"", LONG_AGO, "never began"),
        (HALF, LONG_AGO, "never began"),
        (b"hm\n", 0.0, "unreadable"),
    ],
)
def test_where_no_step_was_taken_none_is_shown(tmp_path: Path, data: bytes, age: float, state: str) -> None:
    run = rec.write(tmp_path, [])
    run.events.write_bytes(data)
    os.utime(run.events, (time.time() - age,) * 2)
    found = recorded(run)
    assert (found.state, found.step) == (state, None)
    assert f" {state} " in _row(found)
    assert _row(found).split(state)[1].split()[0] == "–"


def test_a_damaged_beginning_hides_neither_the_step_nor_the_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beheaded, vanished = RunDirectory(tmp_path / "beheaded"), RunDirectory(tmp_path / "vanished")
    beheaded.path.mkdir()
    beheaded.events.write_bytes(b"hm\n" + encode(frame(7)))
    monkeypatch.setattr(listing, "all_runs", lambda: [vanished, beheaded])
    first, second = (json.loads(line) for line in listing.runs_json().splitlines())
    assert (first["run"], first["state"], first["step"]) == ("vanished", "unreadable", None)
    assert (second["run"], second["state"], second["step"]) == ("beheaded", "unknown", 7)


def test_what_is_no_file_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would be waited for."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    run = run_directory.create("mine")
    os.mkfifo(run.events)
    assert runs_text() == ""


def test_where_there_is_no_run_it_says_how_to_get_one(tmp_path: Path) -> None:
    for flags in ([], ["--json"]):
        found = gradtui(tmp_path, "runs", *flags)
        assert (found.returncode, found.stdout) == (0, "")
        assert found.stderr == f"no runs yet under {tmp_path / 'gradtui' / 'runs'}; start one with: gradtui run deep-sigmoid\n"
