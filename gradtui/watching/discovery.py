"""Which rows a run has: found in the forward passes before a step, and anew when modules come or go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

from torch import nn

from gradtui.probe import discovering
from gradtui.stream.events import Layer
from gradtui.watching import seams
from gradtui.watching.clock import Clock
from gradtui.watching.gathering import Gathering
from gradtui.watching.ownership import trained_by
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
        self._trained: dict[nn.Parameter, bool] = {}
        """Whether each optimizer's parameters were not frozen when it stepped last: networks that take turns are often frozen in each
        other's."""

    def start(self) -> None:
        """With clocks for the networks as they are now."""
        self._gathering.start(self._subject.clocks(self._watcher))
        self._look()
        for clock in self._gathering.clocks:
            seams.listen(clock)

    def finish(self, stepping: Clock | None) -> None:
        """The passes of a step are over: their rows are the run's from now on. `stepping`: whose step it is, if anyone's."""
        self._passes.close()
        self._trained = self._believed(stepping)
        self.layers = layers_of(self._gathering.clocks, self._trained)
        self.forward = any(clock.probe.reached for clock in self._gathering.clocks)
        self._identities, self._frozen = self._subject.identities(), self._subject.frozen(self._trained)

    def accept(self, parameters: Iterable[nn.Parameter]) -> None:
        """That these were frozen or thawed makes no other network of it."""
        self._trained |= {parameter: parameter.requires_grad for parameter in parameters if parameter in self._trained}
        self._frozen = self._subject.frozen(self._trained)

    @property
    def outdated(self) -> bool:
        """Whether modules or parameters have come or gone since."""
        return self._subject.identities() != self._identities

    def refrozen(self) -> bool:
        """Whether parameters have been frozen or thawed since, as the optimizers found them in the frame's step."""
        for clock in self._gathering.clocks:
            self._trained |= clock.trained
        return self._subject.frozen(self._trained) != self._frozen

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

    def _believed(self, stepping: Clock | None) -> dict[nn.Parameter, bool]:
        """Of every optimizer's parameters whether they are trained: of one whose turn it is not, as they were in its last; all, where
        there was none and they are all frozen."""
        found: dict[nn.Parameter, bool] = {}
        for clock in self._gathering.clocks:
            now = trained_by(clock.optimizer)
            if clock is not stepping and len(self._gathering.clocks) > 1:
                now = {parameter: self._trained.get(parameter, known or not any(now.values())) for parameter, known in now.items()}
            found |= now
        return found

    def _look(self) -> None:
        """Until the next step begins."""
        self._passes.enter_context(discovering([clock.probe for clock in self._gathering.clocks], self._passed))

    def _leave_clocks(self) -> None:
        for clock in self._gathering.clocks:
            clock.leave()
            seams.leave(clock)
