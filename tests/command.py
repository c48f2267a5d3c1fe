"""The command line as a user runs it: a process of its own, with a state directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "gradtui")


def environment(state: Path, **more: str) -> dict[str, str]:
    """This process's environment, with runs recorded under `state`."""
    return os.environ | {"XDG_STATE_HOME": str(state), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | more


def gradtui(state: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `gradtui` to its end, with `variables` in its environment; standard input is not a terminal."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        env=environment(state, **variables),
        timeout=300,
    )
