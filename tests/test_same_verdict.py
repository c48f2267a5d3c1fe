"""One recording, one verdict: judged as it is written, by a second viewer meanwhile, by the screen's reader, and long after."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.stream.events import encode
from gradtui.stream.follower import Follower, read_all
from gradtui.stream.run_directory import RunDirectory
from tests.command import COMMAND, environment
from tests.stream.test_events import strict

SCENARIOS = {
    "deep-sigmoid": ("--steps", "140", "--at", "80:batch_norm=on"),
    "exploding-relu": ("--steps", "40"),
    "dying-relu": ("--steps", "120", "--at", "60:lr=0.02"),
    "constant-init": ("--steps", "120", "--at", "50:init=xavier"),
}
"""Warnings that open and close, NaN, an escalation, and one that is there from the first frame."""


def printed(output: bytes) -> list[Any]:
    return [line for line in map(strict, output.splitlines()) if line["type"] == "warning"]


def replayed(run: RunDirectory) -> list[Warning]:
    state = RunState()
    return [edge for event in read_all(run.events) for edge in state.apply(event)]


def in_small_pieces(run: RunDirectory) -> list[Warning]:
    """As the screen reads, a few lines at a time."""
    follower, state, edges = Follower(run.events), RunState(), []
    while True:
        batch = follower.poll(100)
        edges += [edge for event in batch.events for edge in state.apply(event)]
        if not batch.more:
            return edges


def wire(edges: Iterable[Warning]) -> list[Any]:
    return [strict(encode(edge)) for edge in edges]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_live_attached_and_replayed_say_the_same_at_the_same_steps(tmp_path: Path, scenario: str) -> None:
    run = RunDirectory(tmp_path / "run")
    flags = [*SCENARIOS[scenario], "--every", "5", "--device", "cpu", "--run-dir", str(run.path)]
    live = subprocess.Popen(
        [*COMMAND, "run", scenario, "--headless", "--json", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(tmp_path),
    )
    deadline = time.monotonic() + 120
    while not run.events.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    attach = [*COMMAND, "attach", str(run.path), "--headless", "--json"]
    attached = subprocess.run(attach, capture_output=True, env=environment(tmp_path), timeout=240)
    output, _ = live.communicate(timeout=240)
    assert (live.returncode, attached.returncode) == (0, 0)
    seen = printed(output)
    assert seen
    assert printed(attached.stdout) == seen
    assert wire(replayed(run)) == seen
    assert wire(in_small_pieces(run)) == seen
    assert printed(subprocess.run(attach, capture_output=True, env=environment(tmp_path), timeout=240).stdout) == seen
