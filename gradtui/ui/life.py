"""In what state a run is, in one word: pure functions of what is known, so that every state can be tested."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gradtui.stream import liveness

if TYPE_CHECKING:
    from gradtui.diagnose.state import RunState
    from gradtui.stream.events import Hello

SILENT_AFTER = 10.0
"""Seconds without an event from which a run that should speak is called silent."""

WORDS = ("STARTING", "READING", "JUDGING", "RUN", "PLAY", "PAUSED", "SILENT", "DONE", "STOPPED", "CRASHED")


class Trainer(Protocol):
    """The trainer's process, as whoever started it holds it."""

    @property
    def alive(self) -> bool: ...

    @property
    def returncode(self) -> int | None:
        """None while it is alive; negative: killed by that signal."""


@dataclass(frozen=True)
class Life:
    """A state of WORDS, and what there is to say about it."""

    word: str
    detail: str = ""
    advice: str = "r starts it again, l shows what it printed."
    """What to do after a crash; the default is for a trainer that this viewer started."""

    @property
    def over(self) -> bool:
        """Nothing will happen any more in this attempt."""
        return self.word in ("DONE", "STOPPED", "CRASHED")


def life(state: RunState, trainer: Trainer | None, silent_for: float, *, behind: bool = False, restarting: bool = False) -> Life:
    """What the run is doing. `silent_for`: seconds since the last event; `behind`: more is there to be read;
    `restarting`: `trainer` is new and has not spoken yet, so the end that is known is its predecessor's."""
    if behind:
        return Life("READING")
    if restarting and trainer is not None:
        return Life("STARTING") if trainer.alive else Life("CRASHED", cause_of_death(trainer.returncode))
    if state.end is not None:
        if state.end.reason == "crashed":
            return _crashed(state, trainer, state.end.error or "no reason was recorded")
        return Life("DONE" if state.end.reason == "finished" else "STOPPED")
    if trainer is not None and not trainer.alive:
        return Life("CRASHED", cause_of_death(trainer.returncode))
    if trainer is None and state.hello is not None and liveness.gone(state.hello):
        return _crashed(state, trainer, "the trainer is gone and left no word: killed, or the machine was restarted")
    if state.paused:
        return Life("PAUSED")
    if state.frame is None and silent_for < 3 * SILENT_AFTER:
        return Life("STARTING")
    return Life("SILENT", duration(silent_for)) if silent_for >= SILENT_AFTER else Life("RUN")


def _crashed(state: RunState, trainer: Trainer | None, detail: str) -> Life:
    """No key starts again what this viewer did not start."""
    if trainer is not None:
        return Life("CRASHED", detail)
    own = watched(state.hello)
    return Life("CRASHED", detail, "Start it again where you started it: what it printed is there." if own else "l shows what it printed.")


def duration(seconds: float) -> str:
    """`34s`, `12 min`, `26 h`: as exactly as somebody who comes back to it asks."""
    if seconds < 120:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def watched(hello: Hello | None) -> bool:
    """Whether it is a training of somebody's own rather than one of the lab's."""
    return hello is not None and hello.watched


def cause_of_death(returncode: int | None) -> str:
    """An exit code in words."""
    if returncode is None or returncode >= 0:
        return f"the trainer ended with exit code {returncode} and left no word; l shows what it printed"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"the trainer was killed by {name}{hint}; everything up to there is kept"
