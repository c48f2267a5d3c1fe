"""Start the trainer as a process of its own, and be sure that it ends with whoever started it.

The trainer gets a session of its own, so that ctrl+c in the terminal reaches the viewer only, and a pipe on its standard
input that nothing is ever written to: the kernel closes it however the viewer ends, `kill -9` included, and the trainer
takes that for `stop`. A detached trainer gets no such pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gradtui.lab import spec as specs
from gradtui.lab.spec import Spec
from gradtui.stream import commands
from gradtui.stream.events import Applied
from gradtui.stream.follower import Follower
from gradtui.stream.run_directory import RunDirectory, RunError

TRAINER = (sys.executable, "-P", "-m", "gradtui.lab.trainer")
"""`-P`: the directory that a person happens to stand in must not shadow modules."""

GRACE = 5.0
"""Seconds that a trainer has for its last step when it is told to stop."""

DETACH_PATIENCE = 60.0
"""Seconds that a trainer has to answer: it may be importing torch, or be in a long step."""


class Trainer:
    """A trainer that this process started."""

    def __init__(self, process: subprocess.Popen[bytes], run: RunDirectory) -> None:
        self._process = process
        self._run = run

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self, grace: float = GRACE) -> int:
        """End it: ask, cut the lifeline, and after `grace` seconds insist. Returns the exit code."""
        if self.alive:
            with contextlib.suppress(OSError):
                commands.send(self._run.commands, do="stop")
            self._cut_lifeline()
            if not self._ended_within(grace):
                self._signal(signal.SIGTERM)
                if not self._ended_within(1):
                    self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it and its own children at once; what it wrote stays readable to the last whole line."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def detach(self, patience: float = DETACH_PATIENCE) -> bool:
        """Let it go on when this process leaves. Waits until it has said so, since its lifeline is about to end; False: it has
        ended, or has not answered within `patience` seconds. Raises OSError when the command cannot be written."""
        follower = Follower(self._run.events)
        while follower.poll().more:
            pass
        id = commands.send(self._run.commands, do="detach")
        deadline = time.monotonic() + patience
        while self.alive and time.monotonic() < deadline:
            if any(isinstance(event, Applied) and event.id == id for event in follower.poll().events):
                return True
            time.sleep(0.02)
        return False

    def _cut_lifeline(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)  # its session's group has the same number, and holds its data loaders too


def start(spec: Spec, run: RunDirectory, command: Sequence[str] = TRAINER) -> Trainer:
    """Start `command` over the run directory. It is told where the commands end now: what is sent before it looks is for it. The
    recording is there from now on, empty: whoever looks for the run before the trainer has woken finds it.

    Call it from the main thread: Linux's parent-death signal follows the thread.
    Raises RunError when the run directory cannot be written or the process cannot be started.
    """
    try:
        os.close(_appending(run.events))
        log = _appending(run.trainer_log)
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be written: {error.strerror}") from None
    try:
        process = subprocess.Popen(
            [*command, str(run.path), str(commands.size(run.commands))],
            stdin=subprocess.PIPE if spec.lifeline else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {specs.ENVIRONMENT: specs.encode(spec)},
            start_new_session=True,
        )
    except OSError as error:
        raise RunError(f"{run.path}: the trainer cannot be started: {error.strerror}") from None
    finally:
        os.close(log)
    return Trainer(process, run)


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
