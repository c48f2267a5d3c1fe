"""Real processes in tests: waiting for what they do, and seeing whether they are still there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradtui.stream.events import Event
from gradtui.stream.follower import Follower

PATIENCE = 60.0
"""Seconds: a limit for what has gone wrong, generous because the machine may be busy."""

PAUSE = 0.02
"""Seconds between two looks."""


def wait_for(holds: Callable[[], object], what: str | Callable[[], str] = "") -> None:
    """Wait until `holds()`; fails when it never does, and then tells `what`, which is asked only then if it is a function.

    It counts its looks, not the clock's seconds: a machine that was held up for a minute has not had a minute."""
    for _ in range(round(PATIENCE / PAUSE)):
        if holds():
            return
        time.sleep(PAUSE)
    pytest.fail(f"waited {PATIENCE:.0f} s for {what() if callable(what) else what or holds}")


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def trainers(run: Path) -> list[int]:
    """The processes that train into the run directory, however they were started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"gradtui.lab.trainer" in words and os.fsencode(run) in words:
            found.append(int(path.parent.name))
    return [pid for pid in found if alive(pid)]


def recording(run: Path) -> list[Event]:
    """The events of a recording that somebody was killed over: every whole line must be one. A half line may follow."""
    follower = Follower(run / "events.jsonl")
    events: list[Event] = []
    while (batch := follower.poll()).events or batch.more:
        events += batch.events
    assert follower.unreadable == 0
    return events
