"""Which step it is, and whose parts of a frame are there: several optimizers need not step equally often.

A step is over when an optimizer begins its next one. A frame is of a step that all of them make: it is begun for one in which they are
expected to meet, and where they do not, those that go on make their parts anew until they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradtui.watching.clock import Clock, Part

_PATIENCE = 50
"""Steps that a frame waits for an optimizer that does not step, or is not expected to."""


class Gathering:
    """Of all optimizers' clocks. `local`: this process is one of several, and its own gradients are measured as well."""

    def __init__(self, local: bool) -> None:
        self.clocks: Sequence[Clock] = ()
        self.step = 0
        """The step that is being made, or was made last."""
        self.frame: int | None = None
        """For which step the frame was begun that is being made; None: none is."""
        self._local = local
        self._forward = False
        """Whether what is seen in forward passes is a part of that frame."""
        self._in_step: set[Clock] = set()
        self._late: set[Clock] = set()
        """Clocks that have still to make the step before the frame's: they are armed after it."""

    @property
    def last_step(self) -> int:
        """The last that was made; -1: none was."""
        return self.step if self._in_step else self.step - 1

    def start(self, clocks: Sequence[Clock]) -> None:
        """These are the clocks from now on; those of before have gone."""
        if self.clocks:
            self.step += 1
        self.clocks, self.frame = clocks, None
        self._in_step.clear()
        self._late.clear()
        for clock in clocks:
            clock.last_steps = (self.step - 1,) * 3

    def count(self, clock: Clock) -> None:
        """It has made a step."""
        began = clock in self._in_step
        if began:
            self.step += 1
            self._in_step = {clock}
        else:
            self._in_step.add(clock)
        _, before, last = clock.last_steps
        clock.last_steps = before, last, self.step
        if self._late:  # those that made no step in the last one are not waited for
            self._arm_late(self._late if began else self._late & {clock})

    def meeting(self) -> int:
        """The next step in which all are expected to step, going by their last ones."""
        expected = [step for clock in self.clocks if (step := clock.next_step) is not None and step <= self.step + _PATIENCE]
        return max(expected, default=0)

    # -- a frame ---------------------------------------------------------------------------------------------------

    def begin(self, step: int, forward: bool) -> None:
        """Make a frame of `step`; without `forward`, only of what there is after its forward passes."""
        self.frame, self._forward = step, forward
        for clock in self.clocks:
            if step == self.step or clock in self._in_step:
                self._arm(clock)
            else:
                self._late.add(clock)
                clock.wake()

    def stepped(self, clock: Clock) -> bool:
        """One of them has stepped since. Whether the frame's parts are all there now."""
        for other in self.clocks:
            if other is not clock and other.armed:
                other.start_over()
        if self._complete():
            return True
        self._renew(clock)
        return False

    def parts(self) -> dict[Clock, Part]:
        """Those of each optimizer's last step."""
        return {clock: clock.part for clock in self.clocks if clock.part is not None and clock.fresh}

    def end(self) -> None:
        """The frame is made, or given up."""
        self.frame = None
        self._late.clear()
        for clock in self.clocks:
            clock.disarm()
            clock.part = None

    def _arm(self, clock: Clock) -> None:
        clock.arm(self._forward, local=self._forward and self._local)

    def _arm_late(self, clocks: set[Clock]) -> None:
        self._late = self._late - clocks
        for clock in clocks:
            self._arm(clock)

    def _complete(self) -> bool:
        """Whether every optimizer has made its part, all in this step, or is not going to."""
        waited = self.step - (self.frame or 0) >= _PATIENCE
        missing = [clock for clock in self.clocks if not self._is_here(clock)]
        return len(missing) < len(self.clocks) and (waited or all(self.step - clock.last_steps[-1] > _PATIENCE for clock in missing))

    def _is_here(self, clock: Clock) -> bool:
        return clock.fresh and clock.last_steps[-1] == self.step

    def _renew(self, clock: Clock) -> None:
        """The others may step in this step yet; if not, the part that this one has made would be of another step than theirs: it makes it
        anew in the step that they are expected in, or in every one where nobody can tell which."""
        expected = max((other.next_step or 0 for other in self.clocks if other is not clock and not self._is_here(other)), default=0)
        if expected == self.step + 1 or expected < self.step or not expected:
            self._arm(clock)
