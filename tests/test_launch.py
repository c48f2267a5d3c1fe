"""The launcher ends what it started, whatever the trainer does, and nothing outlives whoever launched it by accident."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradtui.lab.scenario import load
from gradtui.lab.spec import Spec
from gradtui.lab.toggles import initial
from gradtui.launch import Trainer, start
from gradtui.stream import commands
from gradtui.stream.events import Applied, End
from gradtui.stream.follower import read_all
from gradtui.stream.run_directory import RunDirectory, RunError, find
from tests.processes import alive, wait_for

OBEDIENT = """
import os, sys
print("started", os.getsid(0) == os.getpid(), os.environ["GRADTUI_SPEC"][:1], flush=True)
while os.read(0, 1): pass
print("lifeline ended", flush=True)
sys.exit(7)
"""
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def spec(lifeline: bool = True) -> Spec:
    return Spec(name="x", scenario=load("deep-sigmoid"), settings={}, every=10, lifeline=lifeline)


def said(run: RunDirectory, word: str) -> Callable[[], bool]:
    return lambda: run.trainer_log.exists() and word in run.trainer_log.read_text()


def started(run: RunDirectory, script: str, word: str, lifeline: bool = True) -> Trainer:
    trainer = start(spec(lifeline), run, (sys.executable, "-c", script))
    wait_for(said(run, word))
    return trainer


def test_it_runs_in_a_session_of_its_own_with_its_spec_and_a_private_log(run: RunDirectory) -> None:
    trainer = started(run, OBEDIENT, "started True {")
    assert trainer.alive
    assert trainer.returncode is None
    assert run.trainer_log.stat().st_mode & 0o777 == 0o600
    trainer.kill()


def test_the_run_is_there_before_its_trainer_has_woken(run: RunDirectory) -> None:
    """Catches `gradtui stop` right after `--detach` that finds no such run, and leaves it training."""
    trainer = start(spec(), run, (sys.executable, "-c", DEAF))
    assert find(str(run.path)) == run
    assert run.events.stat().st_mode & 0o777 == 0o600
    trainer.kill()


def test_stop_asks_and_then_cuts_the_lifeline(run: RunDirectory) -> None:
    trainer = started(run, OBEDIENT, "started")
    assert trainer.stop() == 7
    assert "lifeline ended" in run.trainer_log.read_text()
    assert b'"do":"stop"' in run.commands.read_bytes()
    assert not trainer.alive
    assert trainer.stop() == 7


def test_a_trainer_that_does_not_listen_is_killed_with_its_children(run: RunDirectory) -> None:
    trainer = started(run, DEAF, "child")
    child = int(run.trainer_log.read_text().split()[-1])
    assert trainer.stop(grace=0.2) == -signal.SIGKILL
    wait_for(lambda: not alive(child))


def test_the_lifeline_ends_with_the_launcher_however_it_ends(run: RunDirectory) -> None:
    """The launcher is killed with -9, so nothing of its own can run."""
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from tests.test_launch import OBEDIENT, started; from gradtui.stream.run_directory import RunDirectory\n"
            "from pathlib import Path\n"
            "t = started(RunDirectory(Path(sys.argv[1])), OBEDIENT, 'started'); print(t.pid, flush=True); time.sleep(600)",
            str(run.path),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert launcher.stdout
    pid = int(launcher.stdout.readline())
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    wait_for(lambda: not alive(pid))
    assert "lifeline ended" in run.trainer_log.read_text()


def test_a_second_trainer_does_not_hold_the_first_ones_lifeline(tmp_path: Path) -> None:
    runs = [RunDirectory(tmp_path / name) for name in "ab"]
    for run in runs:
        run.path.mkdir()
    first, second = (started(run, OBEDIENT, "started") for run in runs)
    assert first.stop(grace=60) == 7
    assert second.alive
    second.kill()


def test_a_detached_trainer_has_no_lifeline(run: RunDirectory) -> None:
    trainer = started(run, "import os, time; print('stdin', os.fstat(0).st_rdev, flush=True); time.sleep(600)", "stdin", lifeline=False)
    assert int(run.trainer_log.read_text().split()[-1]) == os.stat("/dev/null").st_rdev
    trainer.kill()


POLITE = """
import os, sys, time
from pathlib import Path
from gradtui.stream.commands import Command, CommandReader
from gradtui.stream.events import Applied
from gradtui.stream.run_directory import RunDirectory
from gradtui.stream.writer import EventWriter

run = RunDirectory(Path(sys.argv[1]))
reader, writer = CommandReader(run.commands), EventWriter(run.events)
print("started", flush=True)
while True:
    for command in reader.poll():
        assert isinstance(command, Command)
        writer.append(Applied(id=command.id, step=0, toggle=command.do))
    time.sleep(0.01)
"""


def test_detach_waits_until_the_trainer_has_said_so(run: RunDirectory) -> None:
    trainer = started(run, POLITE, "started")
    assert trainer.detach()
    assert [(e.toggle, e.reason) for e in read_all(run.events) if isinstance(e, Applied)] == [("detach", "")]
    trainer.kill()


def test_what_is_sent_while_the_trainer_still_begins_is_for_it_and_nothing_earlier_is(run: RunDirectory) -> None:
    earlier = commands.send(run.commands, do="pause")
    scenario = load("deep-sigmoid")
    endless = Spec(name="deep-sigmoid", scenario=scenario, settings=initial(scenario), every=10, device="cpu")
    trainer = start(endless, run)
    meanwhile = commands.send(run.commands, set={"lr": 0.5})
    commands.send(run.commands, do="stop")
    wait_for(lambda: not trainer.alive, "the trainer's end")
    events = read_all(run.events)
    answered = {event.id for event in events if isinstance(event, Applied)}
    assert meanwhile in answered
    assert earlier not in answered
    assert isinstance(events[-1], End)
    assert events[-1].reason == "stopped"


def test_a_trainer_that_does_not_answer_is_not_detached(run: RunDirectory) -> None:
    trainer = started(run, OBEDIENT, "started")
    assert not trainer.detach(patience=0.1)
    trainer.kill()
    assert not trainer.detach()


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"events\.jsonl: cannot be written: No such file"):
        start(spec(), RunDirectory(tmp_path / "gone"), ("true",))


def test_a_trainer_that_cannot_be_started_is_a_clear_error(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="cannot be started"):
        start(spec(), run, ("/nonexistent",))


def test_what_an_earlier_trainer_logged_is_kept(run: RunDirectory) -> None:
    run.trainer_log.write_text("earlier\n")
    trainer = started(run, "print('later', flush=True)", "later")
    deadline = time.monotonic() + 300
    while trainer.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.trainer_log.read_text() == "earlier\nlater\n"
