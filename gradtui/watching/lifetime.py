"""How a watched run ends with its program, its process, or its loop; and the one way in which it complains."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import warnings
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING
from weakref import WeakSet

from msgspec.structs import replace
from torch.utils.hooks import RemovableHandle

from gradtui.stream.events import End

if TYPE_CHECKING:
    from gradtui.watching.run import Run

_EARLY = 100
"""Before what multiprocessing itself, and most who use it, take down."""
_running: WeakSet[Run] = WeakSet()
_unseen: list[RemovableHandle] = []
"""In a forked process: hooks on the optimizers that are watched in its parent."""


def began(run: Run) -> None:
    """End it with the program, if nothing else does: before what the program has set up until now is taken down. A process that
    multiprocessing has started (torch.multiprocessing.spawn, say) leaves without doing what `atexit` was given."""
    _running.add(run)
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    if multiprocessing.parent_process() is not None:
        Finalize(None, _end_all, exitpriority=_EARLY)


def ended(run: Run) -> None:
    _running.discard(run)


def end_after(error: BaseException | None, step: int) -> End:
    """The end of a loop that `error` has left, if anything; `step`: its last."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return End(reason="finished", step=step)
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.__context__ is not None:
        error = error.__context__  # exits over that
    if isinstance(error, KeyboardInterrupt):
        return End(reason="stopped", step=step)
    return End(reason="crashed", step=step, error=f"{type(error).__name__}: {error}"[:2000])


def last_error() -> int:
    """Which error the interpreter printed last. Not the error itself: it would keep its frames' tensors alive."""
    return id(getattr(sys, "last_value", None))


def end_of_program(before: int, step: int) -> End:
    """The end of a run that ends with its program; `before`: what `last_error` was at its last frame. (With which code `sys.exit` was
    called nobody is told.)

    At a prompt the interpreter prints the error of every statement and goes on: whether one that came since was the loop's own
    nobody can tell.
    """
    if leaving := sys.exc_info()[1]:  # multiprocessing ends what it started while the error is still on its way
        return end_after(leaving, step)
    if last_error() == before:
        return End(reason="finished", step=step)
    end = end_after(sys.last_value, step)
    return replace(end, reason="stopped") if end.reason == "crashed" and hasattr(sys, "ps1") else end


def complain(text: str) -> None:
    """Warn, once and without ever raising: warnings may have been made errors."""
    try:
        warnings.warn(text, stacklevel=2)
    except Warning:
        print(text, file=sys.stderr)


def _end_all() -> None:
    for run in list(_running):
        run.close_at_exit()


def _stop_in_fork() -> None:
    """A forked process (a data loader's worker, say) is not to write its parent's recording. If it trains what is watched there, it is told
    that nobody sees it. (Nothing is freed here: no process may touch CUDA that was forked off one that has.)"""
    for run in _running:
        run.active = False
        for optimizer in run.optimizers:
            _unseen.append(optimizer.register_step_pre_hook(_tell_unseen))


def _tell_unseen(*_: object) -> None:
    for handle in _unseen:
        handle.remove()
    _unseen.clear()
    complain(
        "gradtui: this process was forked off the one that is watched: what it trains is not recorded. Call watch in the one that trains"
    )


os.register_at_fork(after_in_child=_stop_in_fork)
