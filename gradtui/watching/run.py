"""The handle of a watched training: its clocks, its recording, and what keeps both away from the loop."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType

from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim import Optimizer

from gradtui.stream.events import End, Hello, Log
from gradtui.stream.run_directory import RunDirectory
from gradtui.watching import lifetime, seams
from gradtui.watching.clock import Clock
from gradtui.watching.control import Control
from gradtui.watching.frames import Draft
from gradtui.watching.gathering import Gathering
from gradtui.watching.hello import make_hello
from gradtui.watching.meter import Meter
from gradtui.watching.ranks import Ranks
from gradtui.watching.recorder import Recorder
from gradtui.watching.schedule import Schedule
from gradtui.watching.subject import Subject, inside_backward, layers_of, torn_layers
from gradtui.watching.vigil import Vigil

NOTHING_REACHED = "no module of the model was seen to be called (it is compiled): no delta and no activations; the gradients are exact"


class Run:
    """A training that is being watched; what `gradtui.watch` returns. Use it in a `with` statement, or forget it: it ends with the process.

    `directory` is the run directory, None where nothing could be recorded; `active` says whether anything still is.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        optimizers: Sequence[Optimizer],
        directory: RunDirectory | None,
        name: str,
        meter: Meter,
        every: int | None,
        together: Ranks | None,
        control: bool,
    ) -> None:
        self.directory = directory
        self.active = directory is not None or (together is not None and together.rank > 0)
        self.meter = meter
        self._name = name
        self._started = self._frame_at = meter.now()
        self._frame_step = -1
        self._logged_at = -2
        self._loss_logged = False
        self._subject = Subject(dict(models), list(optimizers))
        self._hello: Hello | None = None
        self._attempt = 0
        self._discovery = ExitStack()
        self._vigil = Vigil(optimizers)
        self._discovering_again = False
        self._gathering = Gathering(local=together is not None)
        self.count = self._gathering.count
        self._postponed = False
        """Whether a frame is due, and waits for a step in which every optimizer steps."""
        self._share = 0.0
        self._error_before = lifetime.last_error()
        self._ranks = together
        self._schedule = Schedule(every, together)
        self._control: Control | None = None
        if not self.active:
            return
        self._recorder = Recorder(directory, together)
        if control and directory is not None and together is None:
            self._control = Control(directory, self._recorder.record, list(models.values()), optimizers)
        self._start()
        lifetime.began(self)

    @property
    def step(self) -> int:
        """The step that is being made, or was made last. A step is over when an optimizer begins its next one."""
        return self._gathering.step

    @property
    def optimizers(self) -> list[Optimizer]:
        return self._subject.optimizers

    # -- for the loop ----------------------------------------------------------------------------------------------

    def log(self, loss: float | Tensor | None = None, **metrics: float | Tensor) -> None:
        """Show `loss` and `metrics` beside the gradients: single numbers, as floats or tensors. Call it anywhere in the loop, as often
        as you like. A tensor on a GPU is fetched without waiting, and only when a frame needs it."""
        self.guard(self._log, metrics if loss is None else {"loss": loss} | metrics)

    def close(self) -> None:
        """The training is over: record its end and take every hook away. Called again, it does nothing."""
        self.guard(self._close, End(reason="finished", step=self._gathering.last_step))

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.guard(self._close, lifetime.end_after(error, self._gathering.last_step))

    def __del__(self) -> None:
        # Nobody can train the networks any more: their optimizers, whose hooks kept this alive, are gone.
        if getattr(self, "active", False):
            self.close()

    # -- for the clocks --------------------------------------------------------------------------------------------

    def guard(self, act: Callable[..., object], *args: object) -> None:
        """Call `act`; whatever it raises ends the watching with one warning, not the training. In a forked process it is not called."""
        if not self.active:
            return
        started, accounted = self.meter.now(), self.meter.accounted
        try:
            act(*args)
            self.meter.spend_rest(started, accounted)
        except Exception as error:
            self._give_up(f"{type(error).__name__}: {error}", traceback.format_exc())

    def gradients_ready(self) -> None:
        if self._hello is None:
            self._begin()
        self._look_out()
        if self._discovering_again:
            self._discovering_again = False
            self._discovery.close()
        if self._recorder.pending:
            self._for_frames(self._recorder.write)

    @property
    def rest(self) -> int:
        begun = self._hello is not None and not self._discovering_again
        quiet = begun and self._gathering.frame is None and not (self._postponed or self._control is not None or self._recorder.pending)
        return self._schedule.rest(self.step, self.meter) if quiet else 0

    def rested(self, now: float) -> None:
        if self._wants_frame(now):
            self._arm(self.step + 1, self._forward)

    def stepped(self, clock: Clock, since: float) -> None:
        drafted = False
        if self._gathering.frame is not None and (drafted := self._gathering.stepped(clock)):
            self._draft()
        wanted = self._wants_frame(since)
        self.meter.spend(since)
        self.meter.in_frame = self._gathering.frame is not None
        if drafted and self.step == 0:
            self.meter.forgive()  # what it takes to begin
        if wanted:
            self._arm(self.step + 1, self._forward)

    def _wants_frame(self, now: float) -> bool:
        """Whether the next step is a frame's."""
        free = self._gathering.frame is None and self._hello is not None
        due = free and self._schedule.wants(self.step + 1, self.meter, now, self._started)
        self._postponed = due and self._ranks is None and self._gathering.meeting() > self.step + 1  # ranks have agreed on this very step
        return due and not self._postponed

    def step_begins(self, optimizer: Optimizer) -> None:
        if self._control is not None:
            self._control.scale_lr(optimizer)

    def update_begins(self, optimizer: Optimizer) -> None:
        if self._control is not None:
            self._control.clip(optimizer)

    def step_ended(self) -> None:
        if self._control is not None:
            self._control.restore_lr()
            if not self._log_follows():
                self._obey(self._control)

    def _log_follows(self) -> bool:
        """Whether the loop is about to log, as it did after its last step: held up after that, a step's frame has its loss."""
        return self._logged_at == self.step - 1 and not self._recorder.logs_before_step

    def _obey(self, control: Control) -> None:
        started, accounted = self.meter.now(), self.meter.accounted
        obeyed = control.obey(self.step + 1, partial(self._for_frames, self._recorder.write, True))
        self.meter.leave_out(started, accounted)
        if obeyed.frozen:
            self._signature = self._subject.signature()  # frozen from here, which makes no other network of it
        if obeyed.exchanged:
            self._discover_again()
        elif obeyed.single and self._gathering.frame is None and self._hello is not None:
            self._arm(self.step + 1, self._forward)  # whoever goes step by step wants to see every one

    # -- beginning -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """With clocks for the networks as they are now."""
        self._gathering.start(self._subject.clocks(self))
        self._discover()
        for clock in self._gathering.clocks:
            seams.listen(clock)

    def _leave_clocks(self) -> None:
        for clock in self._gathering.clocks:
            clock.leave()
            seams.leave(clock)

    def _discover(self) -> None:
        """Find the rows in the forward passes until the next step begins."""
        for clock in self._gathering.clocks:
            self._discovery.enter_context(clock.probe.discovering(self._passed if clock is self._gathering.clocks[0] else lambda: None))

    def _passed(self) -> None:
        self.guard(self._look_out)

    def _look_out(self) -> None:
        if self._gathering.last_step < 0 and (found := self._vigil.look()):
            self._say(found)

    def _say(self, text: str) -> None:
        """To whoever reads the recording, and to whoever reads what the loop prints."""
        if self._hello is None:
            self._begin()
        self._recorder.record(Log(text=text))
        if self.directory is not None:
            lifetime.complain(text)

    def _begin(self, trained: bool = True) -> None:
        """`trained`: whether there was a forward pass, seen or not."""
        self._discovery.close()
        layers = layers_of(self._gathering.clocks)
        self._rows = len(layers)
        self._forward = any(clock.probe.reached for clock in self._gathering.clocks)
        if self._control is not None:
            for clock in self._gathering.clocks:
                self._control.know(clock.probe.layers, clock.probe.row_parameters, self._forward)
        self._signature = self._subject.signature()
        offered = self._control.toggles() if self._control else []
        self._hello = make_hello(
            self._name, self._subject.networks, self._subject.optimizers, layers, self._attempt, self._forward, offered
        )
        self._recorder.record(self._hello)
        if not self._forward and trained:
            self._recorder.record(Log(text=f"gradtui: {NOTHING_REACHED}"))
        if inside_backward() and (found := torn_layers(self._gathering.clocks)):
            self._say(found)
        self._arm(self.step, forward=False)  # this step's forward pass is over

    def _look_again(self) -> None:
        """Modules or parameters came or went, or were frozen: the rows are found anew in the next step."""
        self._leave_clocks()
        self._hello = None
        self._attempt += 1
        self._start()

    def _discover_again(self) -> None:
        """Activations were exchanged: the same rows, with other modules between them, are found in the next forward passes. A frame
        that was to be made of those is given up."""
        self._gathering.end()
        self.meter.in_frame = False
        self._discovering_again = True
        self._discover()

    # -- frames ----------------------------------------------------------------------------------------------------

    def _arm(self, step: int, forward: bool) -> None:
        """Make a frame of `step`; without `forward`, only of what there is after its forward passes."""
        self._share = self.meter.begin_frame()
        self.meter.in_frame = True
        started = self.meter.now()
        self._schedule.began(step)
        self._gathering.begin(step, forward)
        self.meter.spend(started)

    def _for_frames(self, act: Callable[..., object], *args: object) -> None:
        """Call `act`: the time that it takes is the frames', not every step's."""
        framing, self.meter.in_frame = self.meter.in_frame, True
        started = self.meter.now()
        act(*args)
        self.meter.spend(started)
        self.meter.in_frame = framing

    def _draft(self) -> None:
        """The frame's measurements are made: what is left is to fetch them."""
        now = self.meter.now()
        elapsed, steps = now - self._frame_at, self.step - self._frame_step
        metrics = {"watch_share": round(self._share, 4)} | ({"norms_every": float(self.meter.stride)} if self.meter.stride > 1 else {})
        rate = round(steps / elapsed, 2) if elapsed > 0 and self._frame_step >= 0 else None
        draft = Draft(self.step, round(now - self._started, 4), rate, self._gathering.parts(), metrics)
        self._recorder.add(draft, self._gathering.clocks, self._rows)
        self._frame_at, self._frame_step = now, self.step
        self._error_before = lifetime.last_error()
        self._gathering.end()
        if self._subject.signature() != self._signature:
            self._recorder.write(wait=True)
            self._look_again()

    def _log(self, values: Mapping[str, float | Tensor]) -> None:
        if self._recorder.logs_before_step is None or ("loss" in values and not self._loss_logged):
            # A loop that logs before its first step does so before every step; an evaluation before it, without a loss, tells nothing.
            self._recorder.logs_before_step = self._hello is None
        self._loss_logged |= "loss" in values
        if self._recorder.pending:
            self._for_frames(self._recorder.log, values, self.step)
        else:
            self._recorder.log(values, self.step)
        followed, self._logged_at = self._log_follows(), self.step
        if followed and self._control is not None:
            self._obey(self._control)

    # -- ending ----------------------------------------------------------------------------------------------------

    def close_at_exit(self) -> None:
        """The program ends."""
        self.guard(self._close, lifetime.end_of_program(self._error_before, self._gathering.last_step))

    def _close(self, end: End) -> None:
        if self._hello is None:
            self._begin(trained=False)
        crashed = end.reason == "crashed"
        if self._gathering.last_step < 0 and not crashed and (found := self._vigil.end()):
            self._say(found)
        try:
            if not crashed:  # whoever started the ranks may be about to end this one, too
                self._recorder.wait_for_other_ranks()
            self._recorder.write(wait=True)
            end = replace(end, logged=self._recorder.take_last_values())
        except Exception:  # a device that has failed gives no numbers any more, and the loop's error is the one to tell
            if not crashed:
                raise
        self._leave()
        self._recorder.record(end)
        if crashed:
            self._recorder.tell_who_is_gone()
        self._recorder.close()
        self._recorder.say_goodbye()

    def _leave(self) -> None:
        self.active = False
        lifetime.ended(self)
        with suppress(Exception):  # that the rows could not be found matters no more
            self._discovery.close()
        if self._control is not None:
            self._control.release()
        self._leave_clocks()

    def _give_up(self, why: str, details: str = "") -> None:
        self._leave()
        for line in details.splitlines():
            self._recorder.record(Log(text=line))
        self._recorder.record(End(reason="stopped", step=self._gathering.last_step, error=f"gradtui stopped watching: {why}"[:2000]))
        if self.directory is not None:  # one rank's word is enough
            lifetime.complain(f"gradtui stopped watching: {why}; the training goes on")
