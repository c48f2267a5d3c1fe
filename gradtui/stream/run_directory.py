"""Run directories: where runs live, how one is made and how one is found again.

A run directory holds `events.jsonl`, `commands.jsonl` and `trainer.log`, and is readable by its owner only (0700): a
recording names layers, hosts and prints of somebody's training.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

from gradtui.stream import lines

EVENTS = "events.jsonl"
COMMANDS = "commands.jsonl"
TRAINER_LOG = "trainer.log"

STAMP = r"-\d{8}-\d{6}(-\d+)?"
"""What `create` adds to a run's name, as a pattern."""

SHOWN = 3
"""So many of the runs that a name fits are named, the newest first."""


class RunError(Exception):
    """A run directory that cannot be used; the message names it and says what would be right."""


class NoSuchRunError(RunError):
    """There is no run where one was looked for."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths in one run directory."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def events(self) -> Path:
        return self.path / EVENTS

    @property
    def commands(self) -> Path:
        return self.path / COMMANDS

    @property
    def trainer_log(self) -> Path:
        return self.path / TRAINER_LOG


def runs_root() -> Path:
    """Where runs live unless `--run-dir` says otherwise: the platform's state directory."""
    return user_state_path("gradtui") / "runs"


def create(name: str, where: Path | None = None, flag: str = "--run-dir") -> RunDirectory:
    """Make a run directory: `where` itself when given, else a new one under `runs_root()` named after `name` and the time.

    `flag`: how whoever asks names another one. Raises RunError when `where` already holds a run, belongs to someone else, or cannot be
    written.
    """
    if where is not None:
        return _claim(where)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"
    try:
        runs_root().mkdir(parents=True, exist_ok=True, mode=0o700)
        for count in range(1000):
            path = runs_root() / (f"{safe}-{stamp}" + (f"-{count}" if count else ""))
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                continue
            return RunDirectory(path)
    except OSError as error:
        raise RunError(f"{runs_root()}: cannot make a run directory there: {error.strerror}; name another with {flag}") from None
    raise RunError(f"{runs_root()}: 1000 runs named {safe}-{stamp} already; name another with {flag}")


def _claim(where: Path) -> RunDirectory:
    try:
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        if where.stat().st_uid != os.getuid():
            raise RunError(f"{where}: belongs to another user (uid {where.stat().st_uid}); name a directory of your own")
        if (where / EVENTS).exists():
            raise RunError(f"{where}: already holds a run ({EVENTS}); name a new directory, or look at it with: gradtui attach {where}")
        if any(where.iterdir()):
            raise RunError(f"{where}: is not empty and is not a run directory; name a new or empty one")
        if not os.access(where, os.W_OK | os.X_OK):
            raise RunError(f"{where}: is not writable; name a directory that you can write to")
    except OSError as error:
        raise RunError(f"{where}: cannot be used as a run directory: {error.strerror}") from None
    return RunDirectory(where)


def find(run: str | None = None) -> RunDirectory:
    """The run that `run` names: a directory, its `events.jsonl`, or a name (or its beginning) under `runs_root()`; the newest for None.

    Raises NoSuchRunError when there is none, when the name fits several, or when the directory holds no events; RunError when what it
    holds is no recording.
    """
    found = _named(run) if run is not None else _newest()
    try:
        if not found.events.is_file():  # a pipe, say, which would be waited for
            raise NoSuchRunError(f"{found.events}: is no file; a run directory holds one of that name")
        fault = lines.fault(found.events)
    except OSError as error:
        raise NoSuchRunError(f"{found.events}: cannot be read: {error.strerror}") from None
    if fault:
        raise RunError(f"{found.events}: is not a run's recording: {fault}")
    return found


def none_yet() -> str:
    """What to do where nothing was ever recorded."""
    return f"no runs yet under {runs_root()}; start one with: gradtui run deep-sigmoid"


def _newest() -> RunDirectory:
    runs = all_runs()
    if not runs:
        raise NoSuchRunError(none_yet())
    return runs[0]


def _named(run: str) -> RunDirectory:
    path = expanded(run)
    try:
        if path.name == EVENTS and path.is_file():
            return RunDirectory(path.parent)
        if path.is_dir():
            return _with_events(path)
        if path.exists():
            raise NoSuchRunError(f"{run}: is a file, not a run directory; a run directory holds {EVENTS}")
    except OSError as error:
        raise NoSuchRunError(f"{run}: cannot be read: {error.strerror}") from None
    fitting = _fitting(run, all_runs())
    if not fitting:
        raise NoSuchRunError(f"{run}: no such run; gradtui runs lists them")
    if len(fitting) > 1:
        names = ", ".join(r.name for r in fitting[:SHOWN]) + (", …" if len(fitting) > SHOWN else "")
        raise NoSuchRunError(f"{run}: fits {len(fitting)} runs ({names}); name one of them")
    return _with_events(fitting[0].path)


def expanded(path: str) -> Path:
    """The path with `~` as the shell has it; `~nobody` stays, where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _fitting(name: str, runs: list[RunDirectory]) -> list[RunDirectory]:
    """The run of that directory's name; or those that were called so, whatever their time stamps; or those whose names begin so."""
    called = re.compile(re.escape(name) + STAMP)
    for fits in (lambda run: run == name, called.fullmatch, lambda run: run.startswith(name)):
        if fitting := [run for run in runs if fits(run.name)]:
            return fitting
    return []


def _with_events(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    if not os.access(path, os.R_OK | os.X_OK):
        raise NoSuchRunError(f"{path}: cannot be read: it belongs to someone else or denies access")
    if not run.events.exists():
        raise NoSuchRunError(f"{path}: is not a run directory: it holds no {EVENTS}")
    if not os.access(run.events, os.R_OK):
        raise NoSuchRunError(f"{run.events}: cannot be read: permission denied")
    return run


def all_runs() -> list[RunDirectory]:
    """Every run under `runs_root()`, the most lately written first."""
    found = []
    for path in runs_root().glob(f"*/{EVENTS}"):
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((status.st_mtime, path.parent))
    return [RunDirectory(path) for _, path in sorted(found, reverse=True)]
