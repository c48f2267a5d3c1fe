"""A watched loop whose disk fills up, and one that is watched again and again: nothing stops it, nothing stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import gradtui
from gradtui.stream.events import Frame, Log
from tests.command import environment
from tests.command import gradtui as command
from tests.probe.steps import count_hooks
from tests.watch.recordings import Recording
from tests.watch.test_lifetime import network, train

FULL = """
import resource, torch, gradtui
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.01)
run = gradtui.watch(model, optimizer, run_dir={path!r}, every=1)
for step in range(60):
    if step in (20, 40):
        room = 4_000 if step == 20 else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    optimizer.zero_grad()
    loss = model(torch.randn(8, 4)).square().mean()
    loss.backward()
    optimizer.step()
    run.log(loss=loss)
print("trained", step + 1, run.active)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files, which other systems do otherwise")
def test_a_loop_on_a_full_disk_trains_on_with_one_warning_and_is_recorded_again_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(path=str(path))], env=environment(tmp_path), capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "trained 60 True\n")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "is not recorded" in done.stderr
    events = Recording(path).events
    lost = next(event.text for event in events if isinstance(event, Log))
    steps = [event.step for event in events if isinstance(event, Frame)]
    assert lost.startswith(f"gradtui: {60 - len(steps)} events could not be recorded")
    assert steps[:-20] == list(range(len(steps) - 20))
    assert len(steps) < 60
    assert steps[-20:] == list(range(40, 60))


def test_a_loop_that_is_watched_and_looked_at_time_and_again_keeps_nothing_of_it(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def turn(number: int) -> None:
        with gradtui.watch(model, optimizer, run_dir=tmp_path / str(number), every=1) as run:
            train(model, optimizer, 3, run)
        assert command(tmp_path, "attach", tmp_path / str(number), "--headless").returncode == 0

    def held() -> tuple[int, int, int]:
        open_files = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        return open_files, threading.active_count(), count_hooks(model)

    turn(0)
    before = held()
    for number in range(1, 5):
        turn(number)
    assert held() == before
    assert not optimizer._optimizer_step_pre_hooks
    assert {file.name for file in (tmp_path / "4").iterdir()} <= {"events.jsonl", "trainer.log", "commands.jsonl"}
