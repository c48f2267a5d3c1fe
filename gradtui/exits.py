"""How gradtui ends: exit codes, which are an API, the signals that ask for it, and the one line that says why."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

FAILED = 1
"""A warning named by --fail-on was open, a script's expectation did not hold, or a scheduled change was refused."""
USAGE = 2
"""A wrong flag, or a bad file."""
CRASHED = 3
"""The trainer crashed, or somebody else stopped it, or its recording is gone."""
NOT_FOUND = 4
"""No such scenario or run."""
SIGNALLED = 128
"""Plus the signal's number."""
BROKEN_PIPE = SIGNALLED + signal.SIGPIPE
"""Whoever read standard output has left: a quiet end."""

HELP = """\b
Exit codes:
  0        finished
  1        a warning of --fail-on was open, an expectation failed,
           or a scheduled change was refused
  2        usage, or a bad file
  3        the trainer crashed, or did not come to its end
  4        no such scenario or run
  128 + n  ended by signal n
"""


class Interrupted(BaseException):
    """A signal that asks this process to leave."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = SIGNALLED + number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted for SIGINT, SIGTERM and SIGHUP, save those that whoever started us wants ignored (nohup)."""

    def leave(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def complain(text: str) -> None:
    """One line on standard error, whatever `text` may hold."""
    from gradtui.diagnose.words import inert

    with contextlib.suppress(OSError):
        print(f"gradtui: {inert(' '.join(text.splitlines()))}", file=sys.stderr, flush=True)


def explain(error: Exception) -> str:
    """What a user can do something about: the system's errors name the file, ours are a line already."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'standard output'}: {error.strerror}"
    return str(error)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let the system's errors name the file that is written in here: of a write that fails, it names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error
        raise


def silence_stdout() -> None:
    """Let the interpreter's last flush go nowhere: nobody reads it."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def code_of(error: Exception) -> int | None:
    """The exit code for an error that a user can cause; None for a fault of our own."""
    from gradtui.lab.errors import NoSuchScenarioError, ScenarioError, SettingError
    from gradtui.script import ScriptError
    from gradtui.stream.run_directory import NoSuchRunError, RunError

    if isinstance(error, (NoSuchScenarioError, NoSuchRunError)):
        return NOT_FOUND
    return USAGE if isinstance(error, (ScenarioError, SettingError, ScriptError, RunError, OSError)) else None
