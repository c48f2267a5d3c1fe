"""What `gradtui runs` tells of a recording by its two ends."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from gradtui import listing
from gradtui.listing import recorded, runs_text
from gradtui.stream.events import End
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
