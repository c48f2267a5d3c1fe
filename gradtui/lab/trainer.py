"""The trainer's process: `python -m gradtui.lab.trainer RUN_DIR START`, with its Spec in the environment.

START is the byte of `commands.jsonl` from which on the commands are for this trainer; a viewer may write them while torch is
still being imported.

Its standard input is a lifeline and carries nothing else: when it ends, the viewer that started this process is gone,
and the training stops. Its standard output and error are `trainer.log`; what Python prints there is also an event. The
lifeline is watched before torch is imported, so that a viewer killed in its first second leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import faulthandler
import io
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import TextIO

from gradtui.lab import spec as specs
from gradtui.lab.errors import SettingError
from gradtui.stream.commands import CommandReader
from gradtui.stream.events import End, Log
from gradtui.stream.run_directory import RunDirectory
from gradtui.stream.writer import EventWriter

WRONG = 2
CRASHED = 3
"""Exit codes: told to train what cannot be, and an exception while training; gradtui's own are the same."""
GRACE = 3.0
"""Seconds that a training told to stop has for its last step before the process ends anyway."""
LONGEST_LINE = 2000
PR_SET_PDEATHSIG = 1


class Lifeline:
    """Sets `stopping` when standard input ends, unless detached; then ends the process if that takes too long.

    Of a run that has not begun by then nobody else would say that it never will.
    """

    def __init__(self, stopping: threading.Event, writer: EventWriter) -> None:
        self._stopping = stopping
        self._writer = writer
        self._detached = False
        _set_parent_death_signal(signal.SIGTERM)
        threading.Thread(target=self._watch, daemon=True, name="lifeline").start()

    def detach(self) -> None:
        """Go on when the viewer leaves."""
        self._detached = True
        _set_parent_death_signal(0)

    def _watch(self) -> None:
        while os.read(0, 4096):
            pass
        if not self._detached:
            self._stopping.set()
            # By a thread of C's: where the others hang, at the interpreter's own end say, this one could hang with them.
            faulthandler.dump_traceback_later(2 * GRACE, exit=True, file=2)
            time.sleep(GRACE)
            if self._writer.empty:
                self._writer.append(End(reason="stopped", step=-1))
            os._exit(128 + signal.SIGHUP)


def _set_parent_death_signal(number: int) -> None:
    """Ask Linux for a signal when the parent dies: a second lifeline, for a process too busy to read the first."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


class Tee(io.TextIOBase):
    """Standard output or error that also makes an event of every line, so that viewers can show it in its place.

    What is printed before the run's `hello`, by an import say, is held back until it: `hello` comes first in a recording.
    """

    def __init__(self, stream: TextIO, writer: EventWriter) -> None:
        self._stream = stream
        self._writer = writer
        self._held: list[str] = []
        self._line = ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        *lines, self._line = (self._line + text).split("\n")
        self._held += lines
        self.flush()
        return len(text)

    def release(self) -> None:
        """Record what is held."""
        for line in self._held:
            self._writer.append(Log(text=line[:LONGEST_LINE]))
        self._held.clear()

    def flush(self) -> None:
        self._stream.flush()
        if not self._writer.empty:
            self.release()

    def fileno(self) -> int:
        return self._stream.fileno()


def main() -> int:
    """Train; returns the process's exit code."""
    run = RunDirectory(Path(sys.argv[1]))
    spec = specs.decode(os.environ.pop(specs.ENVIRONMENT))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    writer = EventWriter(run.events)
    lifeline = Lifeline(stopping, writer) if spec.lifeline else None
    commands = CommandReader(run.commands, int(sys.argv[2]))
    tees = Tee(sys.stdout, writer), Tee(sys.stderr, writer)
    sys.stdout, sys.stderr = tees
    # torch works without numpy, and says so at its first tensor.
    warnings.filterwarnings("ignore", "Failed to initialize NumPy")
    end, code = _train(spec, writer, commands, stopping, lifeline)
    for tee in tees:
        tee.release()
    writer.append(end)
    return code


def _train(
    spec: specs.Spec, writer: EventWriter, commands: CommandReader, stopping: threading.Event, lifeline: Lifeline | None
) -> tuple[End, int]:
    loop = None
    try:
        from gradtui.lab.loop import Loop  # imports torch, seconds after the lifeline is up

        loop = Loop(spec, writer, commands, stopping, lifeline.detach if lifeline else lambda: None)
        return loop.run(), 0
    except SettingError as error:
        return End(reason="crashed", step=-1, error=str(error)), WRONG
    except Exception as error:
        traceback.print_exc()
        error_line = f"{type(error).__name__}: {error}"[:LONGEST_LINE]
        return End(reason="crashed", step=loop.step - 1 if loop else -1, error=error_line), CRASHED


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # torch's own threads can abort the interpreter's shutdown; everything that matters is written.
    os._exit(code)
