"""A hundred random kills: the viewer (on a terminal or headless) or the trainer, at a random moment, by a random signal.

    python -m benchmarks.kills [--kills N] [--seed S]

Counts what is left: processes still there after a minute, and recordings in which a whole line is not an event. Both must
be 0; the exit code is 1 if they are not.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from gradtui.stream.follower import Follower
from tests.command import COMMAND, environment
from tests.processes import alive, trainers
from tests.terminal import Terminal

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
LATEST = 6.0
"""Seconds after the start: torch takes two to four of them to import."""
PATIENCE = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    left = unreadable = 0
    done: collections.Counter[str] = collections.Counter()
    for _ in range(options.kills):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            done[_kill_one(dice, run)] += 1
            left += left_behind(run)
            unreadable += is_unreadable(run)
    for what, count in sorted(done.items()):
        print(f"{what:<28} {count:>4}")
    print(f"{'processes left':<28} {left:>4}\n{'unreadable recordings':<28} {unreadable:>4}")
    return int(bool(left or unreadable))


def _kill_one(dice: random.Random, run: Path) -> str:
    """Start a training, kill viewer or trainer after a while, and see the viewer out; returns what was killed, and how."""
    on_screen, victim, number = dice.random() < 0.5, dice.choice(("viewer", "trainer")), dice.choice(SIGNALS)
    command = [*COMMAND, "run", "deep-sigmoid", "--device", "cpu", "--run-dir", str(run)]
    terminal = Terminal(command if on_screen else [*command, "--headless", "--json", "--steps", "1000000"], environment(run.parent))
    until = time.monotonic() + dice.uniform(0.5, LATEST)
    while time.monotonic() < until:
        terminal.read()
        time.sleep(0.02)
    targets = trainers(run) if victim == "trainer" else [terminal.process.pid]
    for pid in targets:
        os.kill(pid, number)
    if victim == "trainer":  # the viewer has seen it die and stays, on a screen; then it is told to leave
        time.sleep(1)
        terminal.process.send_signal(signal.SIGTERM)
    see_out(terminal)
    return f"{'screen' if on_screen else 'headless'}: {victim}, {number.name}"


def see_out(terminal: Terminal) -> None:
    deadline = time.monotonic() + PATIENCE
    while terminal.process.poll() is None and time.monotonic() < deadline:
        terminal.read()
        time.sleep(0.02)


def left_behind(run: Path) -> int:
    """How many processes are still there after the patience, viewers that took the run's name included; ends them."""
    deadline = time.monotonic() + PATIENCE
    while (found := concerned(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in found:
        subprocess.run(["ps", "-o", "pid,stat,args", "-p", str(pid)], check=False)
        os.kill(pid, signal.SIGKILL)
    return len(found)


def concerned(run: Path) -> list[int]:
    """Every living process whose command line names the run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            named = os.fsencode(run) in path.read_bytes().split(b"\0")
        except OSError:
            continue
        if named and alive(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found


def is_unreadable(run: Path) -> bool:
    """A whole line that is no event. Half a line at the end is what a kill may leave."""
    follower = Follower(run / "events.jsonl")
    while follower.poll().more:
        pass
    return follower.unreadable > 0


if __name__ == "__main__":
    raise SystemExit(main())
