"""Start-up: `gradtui --version` against an empty interpreter, and the first paint against an empty Textual app's.

    python -m benchmarks.startup [--runs N]

Times are wall-clock, from the start of the process to its end or to the first byte after the alternate screen is entered,
on a real pseudo-terminal; the compared commands take turns, so that whatever else the machine does meets all alike. Modules
are compiled beforehand for all of them, as an installer does: an environment that forbids it would have ours compiled anew
every time, and not the empty app's.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.command import COMMAND, environment
from tests.terminal import Terminal

ESCAPES = re.compile(rb"\x1b(?:\[[0-9;:?<>=$ ]*[a-zA-Z]|[PX^_\]].*?(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78])", re.DOTALL)

TRAINER_ENDS = 1.0
"""Seconds in which the trainer of a viewer that was killed ends, so that nothing competes with the next command."""

EMPTY_APP = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self): yield Static("painted")

Empty().run()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        env = environment(state, PYTHONDONTWRITEBYTECODE="")
        timed: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: _whole(env, sys.executable, "-c", "pass"),
            "gradtui --version": lambda: _whole(env, *COMMAND, "--version"),
            "empty Textual app": lambda: _first_paint(env, sys.executable, "-c", EMPTY_APP),
            "gradtui (the list)": lambda: _first_paint(env, *COMMAND),
            "gradtui run deep-sigmoid": lambda: _first_paint(env, *COMMAND, "run", "deep-sigmoid", "--device", "cpu"),
        }
        times = _interleaved(timed, runs)
    print(f"| {'command':<26} | median ms | lowest–highest ms |\n|---|---|---|")
    for name, found in times.items():
        print(f"| {name:<26} | {statistics.median(found):9.0f} | {min(found):.0f}–{max(found):.0f} |")
    median = {name: statistics.median(found) for name, found in times.items()}
    print(f"\n--version: {median['gradtui --version']:.0f} ms, budget {2 * median['python -c pass'] + 100:.0f} ms")
    for name in ("gradtui (the list)", "gradtui run deep-sigmoid"):
        print(f"first paint of {name}: {median[name] / median['empty Textual app']:.2f} × an empty app's, budget 1.30")


def _interleaved(timed: dict[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Each measured once to warm up, then in turns."""
    for once in timed.values():
        once()
    times: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(runs):
        for name, once in timed.items():
            times[name].append(once() * 1000)
    return times


def _whole(env: Mapping[str, str], *command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - started


def _first_paint(env: Mapping[str, str], *command: str) -> float:
    """Seconds until the first visible character is written."""
    started = time.perf_counter()
    terminal = Terminal(list(command), env, interpret=False)
    while not ESCAPES.sub(b"", bytes(terminal.written)).strip():
        terminal.read()
        time.sleep(0.001)
    seconds = time.perf_counter() - started
    terminal.close()
    time.sleep(TRAINER_ENDS)
    return seconds


if __name__ == "__main__":
    main()
