"""Life and death: real processes and real kills. Whatever dies, no trainer is left and the recording is readable."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gradtui.stream import commands
from gradtui.stream.events import End, Frame, Hello, encode
from tests.command import COMMAND, environment, gradtui
from tests.processes import recording, trainers, wait_for
from tests.stream.test_events import strict
from tests.terminal import RESTORED, Terminal

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def training(run: Path) -> bool:
    """It has begun to train, and written a few frames; fails when it has ended instead."""
    events = recording(run) if run.exists() else []
    ended = [event for event in events if isinstance(event, End)]
    assert not ended, f"{ended}: {(run / 'trainer.log').read_text()}"
    return sum(isinstance(event, Frame) for event in events) > 2


def headless(run: Path, *flags: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "run", "deep-sigmoid", "--headless", "--json", "--steps", "1000000", "--device", "cpu", "--run-dir", str(run)]
    return subprocess.Popen(
        [*command, *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(run.parent),
        stdin=subprocess.DEVNULL,
    )


def on_screen(run: Path) -> Terminal:
    command = [*COMMAND, "run", "deep-sigmoid", "--device", "cpu", "--run-dir", str(run)]
    return Terminal(command, environment(run.parent))


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
def test_headless_is_told_to_leave_before_the_trainer_has_torch(run: Path, number: signal.Signals) -> None:
    viewer = headless(run)
    wait_for(lambda: trainers(run))
    viewer.send_signal(number)
    assert viewer.wait() == (128 + number if number in SIGNALS else -number)
    assert viewer.communicate()[1].count("\n") <= 1
    wait_for(lambda: not trainers(run))
    recording(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_headless_is_told_to_leave_while_it_trains(run: Path, number: signal.Signals) -> None:
    viewer = headless(run)
    wait_for(lambda: training(run))
    viewer.send_signal(number)
    viewer.communicate()
    wait_for(lambda: not trainers(run))
    assert isinstance(recording(run)[-1], End)  # the trainer had time for its last word


def test_a_signal_that_was_ignored_from_the_start_stays_ignored(run: Path) -> None:
    """As nohup asks for."""
    command = ["nohup", *COMMAND, "run", "deep-sigmoid", "--headless", "--json", "--steps", "30", "--device", "cpu", "--run-dir", str(run)]
    viewer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(run.parent))
    wait_for(lambda: trainers(run))
    viewer.send_signal(signal.SIGHUP)
    assert viewer.wait() == 0


def test_a_reader_that_leaves_stops_the_training(run: Path) -> None:
    viewer = subprocess.Popen(
        [*COMMAND, "run", "deep-sigmoid", "--headless", "--json", "--steps", "1000000", "--device", "cpu", "--run-dir", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(run.parent),
    )
    assert viewer.stdout
    assert viewer.stderr
    assert strict(viewer.stdout.readline().encode())["type"] == "hello"
    viewer.stdout.close()
    assert viewer.wait() == 128 + signal.SIGPIPE
    assert viewer.stderr.read().count("\n") == 1
    viewer.stderr.close()


def test_a_killed_trainer_is_a_crash_with_a_reason_and_a_readable_recording(run: Path) -> None:
    viewer = headless(run)
    wait_for(lambda: training(run))
    (pid,) = trainers(run)
    subprocess.run(["kill", "-9", str(pid)], check=True)
    error = viewer.communicate()[1]
    assert viewer.returncode == 3
    assert error.splitlines()[-1] == "gradtui: the trainer was killed by signal 9"  # and printed nothing that one could read
    events = recording(run)
    again = gradtui(run.parent, "attach", run, "--headless", "--json")
    assert again.returncode == 3
    assert "the trainer is gone" in again.stderr
    assert sum('"type":"frame"' in line for line in again.stdout.splitlines()) == sum(isinstance(e, Frame) for e in events)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_viewer_that_is_killed_leaves_no_trainer_and_a_restored_terminal(run: Path, number: signal.Signals) -> None:
    terminal = on_screen(run)
    wait_for(lambda: (terminal.read(), training(run))[1])
    terminal.process.send_signal(number)
    code = terminal.wait()
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    assert (RESTORED in terminal.written) == (number != signal.SIGKILL)
    wait_for(lambda: not trainers(run))
    recording(run)
    terminal.close()


def test_a_closed_terminal_ends_viewer_and_trainer(run: Path) -> None:
    terminal = on_screen(run)
    wait_for(lambda: (terminal.read(), training(run))[1])
    terminal.hang_up()
    wait_for(lambda: terminal.process.poll() is not None)
    wait_for(lambda: not trainers(run))
    recording(run)


def test_a_trainer_killed_under_the_screen_is_said_kept_and_restarted(run: Path) -> None:
    terminal = on_screen(run)
    wait_for(lambda: (terminal.read(), training(run))[1])
    (pid,) = trainers(run)
    subprocess.run(["kill", "-9", str(pid)], check=True)
    terminal.wait_for_text("CRASHED")
    assert "hidden.0" in terminal.text
    terminal.type("r")
    wait_for(lambda: (terminal.read(), sum(isinstance(e, Hello) for e in recording(run)) == 2)[1], "a second beginning")
    terminal.wait_for_text("RUN")
    (again,) = trainers(run)
    assert again != pid
    terminal.type("q")
    terminal.wait_for_text("still training")
    terminal.type("s")
    assert terminal.wait() == 0
    terminal.close()


def test_a_detached_run_goes_on_and_is_attached_to_with_everything_since_its_start(tmp_path: Path, run: Path) -> None:
    flags = ["--steps", "1000000", "--pace", "200", "--device", "cpu", "--run-dir", str(run)]
    started = gradtui(tmp_path, "run", "deep-sigmoid", "--detach", *flags)
    assert (started.returncode, started.stdout) == (0, f"{run}\n")
    wait_for(lambda: training(run))
    viewer = subprocess.Popen(
        [*COMMAND, "attach", str(run), "--headless", "--json"], stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    assert viewer.stdout
    first = [strict(viewer.stdout.readline().encode()) for _ in range(4)]
    assert [event["type"] for event in first] == ["hello", "frame", "theory", "frame"]
    assert [event["step"] for event in first if event["type"] == "frame"] == [0, 10]
    viewer.kill()
    viewer.communicate()
    seen = len(recording(run))
    wait_for(lambda: len(recording(run)) > seen + 5, "frames after the viewer was killed")
    commands.send(run / "commands.jsonl", do="stop")
    wait_for(lambda: not trainers(run))
    assert gradtui(tmp_path, "attach", run, "--headless", "--json").returncode == 0


def test_a_detached_run_is_stopped_by_its_name_and_nothing_else_is(tmp_path: Path, run: Path) -> None:
    assert gradtui(tmp_path, "run", "deep-sigmoid", "--detach", "--device", "cpu", "--steps", "1000000", "--run-dir", run).returncode == 0
    stopped = gradtui(tmp_path, "stop", run)
    assert (stopped.returncode, stopped.stdout) == (0, ""), stopped.stderr
    assert "run: stopped" in stopped.stderr
    wait_for(lambda: not trainers(run), "the trainer's end")
    again = gradtui(tmp_path, "stop", run)
    assert (again.returncode, again.stderr) == (2, "gradtui: run: there is nothing to stop, its state is stopped\n")
    own = tmp_path / "own"
    own.mkdir()
    hello = msgspec.structs.replace(recording(run)[0], scenario={"watched": True}, pid=os.getpid(), born=None)
    (own / "events.jsonl").write_bytes(encode(hello))
    refused = gradtui(tmp_path, "stop", own)
    assert refused.returncode == 2
    assert "no viewer stops" in refused.stderr
    assert not (own / "commands.jsonl").exists()


def test_a_training_that_somebody_else_stops_has_not_finished(tmp_path: Path, run: Path) -> None:
    viewer = headless(run)
    wait_for(lambda: training(run))
    assert gradtui(tmp_path, "stop", run).returncode == 0
    viewer.communicate()
    assert viewer.returncode == 3


def test_a_recording_that_is_removed_meanwhile_is_no_success(tmp_path: Path, run: Path) -> None:
    viewer = headless(run, "--steps", "400")
    wait_for(lambda: training(run))
    shutil.rmtree(run)
    viewer.communicate()
    assert viewer.returncode == 3


HANGING = """
import ctypes, sys, threading, time
from pathlib import Path
from gradtui.lab.trainer import Lifeline
from gradtui.stream.writer import EventWriter
stopping = threading.Event()
Lifeline(stopping, EventWriter(Path(sys.argv[1])))
stopping.wait()
time.sleep(0.5)
ctypes.PyDLL(None).sleep(1000)  # with Python's lock
"""


def test_a_trainer_that_hangs_with_pythons_lock_ends_with_its_viewer(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGING, str(tmp_path / "events.jsonl")], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    try:
        wait_for(lambda: process.poll() is not None, "its end")
    finally:
        process.kill()
