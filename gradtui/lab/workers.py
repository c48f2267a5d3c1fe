"""Processes that train side by side, a core each, and none of which outlives whoever asked for them.

Fresh interpreters rather than forks: torch's threads do not survive a fork. Each imports torch once and then takes task
after task. concurrent.futures would do, but its workers cannot be ended in the middle of a task, and stay behind when
their parent is killed.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING

from gradtui.lab.errors import SettingError

if TYPE_CHECKING:
    from gradtui.lab.doctor import Found, Task, Trial


class WorkerLostError(Exception):
    """A worker's process ended by itself."""


@dataclass(frozen=True)
class Failed:
    """A task that could not be done, and why."""

    error: str
    refused: bool
    """The lab does not take the setting, rather than that the network failed."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """`with Workers(count) as workers:` and then `workers.map(tasks)`. Leaving ends every process at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._workers: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> Workers:
        context = multiprocessing.get_context("spawn")
        # Whoever presses ctrl+c means this process, which then ends its workers: they never get to see the signal. The
        # resource tracker is started first, since it unblocks what it finds blocked.
        multiprocessing.resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.setdefault("PYTHONSAFEPATH", "1")  # the directory that a person stands in must not shadow modules
        try:
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(target=serve, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                self._workers.append((process, ours))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process, _ in self._workers:
            process.kill()
        for process, connection in self._workers:
            process.join()
            connection.close()

    def map(self, tasks: Sequence[Task], at_most: int | None = None) -> Iterator[Found | Trial | Failed]:
        """What each task came to, in the tasks' order, as soon as it and those before it are done. Raises WorkerLostError.

        `at_most` so many workers take tasks, always the same ones: what a device gives to a process it keeps until the end.
        """
        waiting = list(enumerate(tasks))[::-1]
        idle = [connection for _, connection in self._workers[:at_most]]
        busy: dict[Connection, int] = {}
        done: dict[int, Found | Trial | Failed] = {}
        for index in range(len(tasks)):
            while index not in done:
                while idle and waiting:
                    connection = idle.pop()
                    busy[connection], task = waiting.pop()
                    self._send(connection, task)
                for ready in multiprocessing.connection.wait(list(busy)):
                    assert isinstance(ready, Connection)
                    done[busy.pop(ready)] = self._receive(ready)
                    idle.append(ready)
            yield done.pop(index)

    def _send(self, connection: Connection, task: Task) -> None:
        try:
            connection.send(task)
        except OSError:
            raise self._lost(connection) from None

    def _receive(self, connection: Connection) -> Found | Trial | Failed:
        try:
            found: Found | Trial | Failed = connection.recv()
        except (EOFError, OSError):
            raise self._lost(connection) from None
        return found

    def _lost(self, connection: Connection) -> WorkerLostError:
        process = next(process for process, ours in self._workers if ours is connection)
        process.join()
        code = process.exitcode or 0
        return WorkerLostError(f"a worker was killed by signal {-code}" if code < 0 else f"a worker ended with exit code {code}")


def serve(connection: Connection) -> None:
    """A worker's life: take tasks until there are no more."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _hush()
    from gradtui.lab import trial  # imports torch, once

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(outcome(trial.do, task))


def outcome(do: Callable[[Task], Found | Trial], task: Task) -> Found | Trial | Failed:
    """What `do` makes of a task, its failure included."""
    try:
        return do(task)
    except SettingError as error:
        return Failed(str(error), refused=True)
    except Exception as error:
        return Failed(f"{type(error).__name__}: {error}", refused=False)


def _leave_with_parent() -> None:
    """A worker in the middle of a task does not read its pipe, and would go on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _hush() -> None:
    """What a network of somebody's own prints must not get between the results on standard output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
