"""Which rows a run has: found in the forward passes before a step, and anew when modules come or go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress

from gradtui.stream.events import Layer
from gradtui.watching import seams
from gradtui.watching.gathering import Gathering
from gradtui.watching.subject import Subject, layers_of
from gradtui.watching.watcher import Watcher


class Discovery:
    """Of `subject`, with clocks that tell `watcher`; `passed` is told of the end of every forward pass that is looked at."""

    def __init__(self, subject: Subject, gathering: Gathering, watcher: Watcher, passed: Callable[[], None]) -> None:
        self.layers: list[Layer] = []
        """The rows that were found last."""
        self.forward = False
        """Whether forward passes were seen."""
        self.looking_again = False
        """Whether rows that are known are looked for in further passes."""
        self._subject = subject
        self._gathering = gathering
        self._watcher = watcher
        self._passed = passed
        self._passes = ExitStack()

    def start(self) -> None:
        """With clocks for the networks as they are now."""
        self._gathering.start(self._subject.clocks(self._watcher))
        self._look()
        for clock in self._gathering.clocks:
            seams.listen(clock)

    def finish(self) -> None:
        """The passes of a step are over: their rows are the run's from now on."""
        self._passes.close()
        self.layers = layers_of(self._gathering.clocks)
        self.forward = any(clock.probe.reached for clock in self._gathering.clocks)
        self.accept()

    def accept(self) -> None:
        """What the parameters are now, and which of them are frozen, is what the rows were found of."""
        self._signature = self._subject.signature()

    @property
    def outdated(self) -> bool:
        """Whether modules or parameters have come or gone since, or were frozen."""
        return self._subject.signature() != self._signature

    def start_over(self) -> None:
        """All rows are found anew in the next step."""
        self._leave_clocks()
        self.start()

    def look_again(self) -> None:
        """The same rows, with other modules between them, are found in the next forward passes."""
        self.looking_again = True
        self._look()

    def finish_again(self) -> None:
        self.looking_again = False
        self._passes.close()

    def leave(self) -> None:
        """Take every hook away."""
        with suppress(Exception):  # that the rows could not be found matters no more
            self._passes.close()
        self._leave_clocks()

    def _look(self) -> None:
        """Until the next step begins."""
        for clock in self._gathering.clocks:
            self._passes.enter_context(clock.probe.discovering(self._passed if clock is self._gathering.clocks[0] else lambda: None))

    def _leave_clocks(self) -> None:
        for clock in self._gathering.clocks:
            clock.leave()
            seams.leave(clock)
