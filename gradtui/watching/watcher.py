"""What a clock asks of the run that it belongs to, and tells it: all that the two know of each other from this side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from torch.optim import Optimizer

from gradtui.watching.meter import Meter

if TYPE_CHECKING:
    from gradtui.watching.clock import Clock


class Watcher(Protocol):
    """What a clock tells, and asks, its run."""

    meter: Meter

    @property
    def rest(self) -> int:
        """Of how many steps from here on it wants nothing but norms, as far as is known now."""

    def guard(self, act: Callable[..., object], *args: object) -> None:
        """Call `act`; whatever it raises ends the watching, not the training."""

    def gradients_ready(self, clock: Clock) -> None:
        """The gradients of its step are there, and nothing has been measured of it yet."""

    def stepped(self, clock: Clock, since: float) -> None:
        """A counted step that was looked at is over; what is spent on that is counted from the time `since`."""

    def count(self, clock: Clock) -> None:
        """The optimizer has made a step."""

    def step_begins(self, optimizer: Optimizer) -> None:
        """Before anything of the step, a closure's evaluation included."""

    def update_begins(self, optimizer: Optimizer) -> None:
        """The gradients are about to be used: the last moment to clip them."""

    def step_ended(self) -> None:
        """After everything else: the loop may be held up here."""
