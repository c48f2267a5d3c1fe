"""What several test modules use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import trainers, wait_for


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A place for a run, where no trainer may be left at the end."""
    path = tmp_path / "run"
    yield path
    try:
        wait_for(lambda: not trainers(path), "the last trainer's end")
    finally:
        for pid in trainers(path):
            os.kill(pid, signal.SIGKILL)
