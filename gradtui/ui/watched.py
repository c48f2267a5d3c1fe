"""What the run's screen is given: a run, its trainer, what a guide says on the way, and a run to show it against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradtui.diagnose.parting import PARTED
from gradtui.stream.events import Value
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.life import Trainer

if TYPE_CHECKING:
    from gradtui.ui.player import Player


@dataclass(frozen=True)
class Against:
    """Another run, to be shown beside the one that is watched."""

    run: RunDirectory
    by: float = PARTED
    """The share of the larger loss from which the two have parted."""


@dataclass(frozen=True)
class Watched:
    """A run to show; `trainer` is None for a run that somebody else started."""

    run: RunDirectory
    trainer: Trainer | None = None
    remarks: tuple[tuple[int, str], ...] = ()
    """What to say of it, each from a step on, in their order."""
    against: Against | None = None
    player: Player | None = None
    """Shows a recording by a clock; None: the run is followed as it goes."""

    def remark(self, step: int) -> str:
        """What there is to say at `step`; empty: nothing."""
        return next((text for since, text in reversed(self.remarks) if since <= step), "")


Restart = Callable[[RunDirectory, dict[str, Value]], Trainer]
"""Starts a new trainer over a run directory with these settings. Raises RunError."""
