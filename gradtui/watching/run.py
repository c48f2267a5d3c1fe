"""The handle of a watched training: its clocks, its recording, and what keeps both away from the loop."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType

from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim import Optimizer

from gradtui.stream.events import End, Hello, Log
from gradtui.stream.run_directory import RunDirectory
from gradtui.watching import lifetime
from gradtui.watching.clock import Clock
from gradtui.watching.control import Control
from gradtui.watching.discovery import Discovery
from gradtui.watching.drafting import Drafting
from gradtui.watching.gathering import Gathering
from gradtui.watching.hello import make_hello
from gradtui.watching.meter import Meter
from gradtui.watching.ranks import Ranks
from gradtui.watching.recorder import Recorder
from gradtui.watching.strangers import Strangers
from gradtui.watching.subject import Subject, inside_backward, torn_layers
from gradtui.watching.vigil import Vigil

NOTHING_REACHED = (
    "no module of the model was seen to be called (it is compiled, or called in a transform of torch.func): no delta and no activations; "
    "the gradients are exact"
)


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
        self._subject = Subject(dict(models), list(optimizers))
        self._hello: Hello | None = None
        """Of the rows as they are now; None: they are not known yet."""
        self._attempt = 0
        self._vigil = Vigil(optimizers)
        self._gathering = Gathering(local=together is not None)
        self.count = self._gathering.count
        self._discovery = Discovery(self._subject, self._gathering, self, self._passed)
        self._drafting = Drafting(self, self._gathering, every, together)
        self._error_before = lifetime.last_error()
        self._control: Control | None = None
        if not self.active:
            return
        self._recorder = Recorder(directory, together)
        if control and directory is not None and together is None:
            self._control = Control(directory, self._recorder.record, list(models.values()), optimizers)
        self._strangers = Strangers(optimizers, self._hear)
        lifetime.began(self)
        self.guard(self._discovery.start)

    @property
    def step(self) -> int:
        """The step that is being made, or was made last. A step is over when an optimizer begins its next one."""
        return max(0, self._gathering.last_step)

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

    def gradients_ready(self, clock: Clock) -> None:
        if self._hello is None:
            self._begin(clock)
        self._look_out()
        if self._discovery.looking_again:
            self._discovery.finish_again()
        if self._recorder.pending:
            self._drafting.spend(self._recorder.write)

    @property
    def rest(self) -> int:
        begun = self._hello is not None and not self._discovery.looking_again
        return self._drafting.rest if begun and self._control is None and not self._recorder.pending else 0

    def stepped(self, clock: Clock, since: float) -> None:
        drafted = False
        if self._drafting.going_on and (drafted := self._gathering.stepped(clock)):
            self._draft()
        due = self._hello is not None and self._drafting.due(since)
        self.meter.spend(since)
        self.meter.in_frame = self._drafting.going_on
        if drafted and self.step == 0:
            self.meter.forgive()  # what it takes to begin
        if due:
            self._frame_next()

    def step_begins(self, optimizer: Optimizer) -> None:
        if self._control is not None:
            self._control.scale_lr(optimizer)

    def update_begins(self, optimizer: Optimizer) -> None:
        if self._control is not None:
            self._control.clip(optimizer)

    def step_ended(self) -> None:
        if self._control is not None:
            self._control.restore_lr()
            if not self._recorder.awaits_log_of(self.step):
                self._obey(self._control)

    def _obey(self, control: Control) -> None:
        started, accounted = self.meter.now(), self.meter.accounted
        obeyed = control.obey(self.step + 1, partial(self._drafting.spend, partial(self._recorder.write, wait=True)))
        self.meter.leave_out(started, accounted)
        if obeyed.refrozen:
            self._discovery.accept(obeyed.refrozen)
        if obeyed.exchanged:
            self._discover_again()
        elif obeyed.single and not self._drafting.going_on and self._hello is not None:
            self._frame_next()  # whoever goes step by step wants to see every one

    # -- beginning -------------------------------------------------------------------------------------------------

    def _passed(self) -> None:
        self.guard(self._look_out)

    def _look_out(self) -> None:
        if self._gathering.last_step < 0 and (found := self._vigil.look()):
            self._say(found)

    def _hear(self, of_strangers: str) -> None:
        if self._gathering.last_step >= 0:
            self.guard(self._say, of_strangers)

    def _say(self, text: str) -> None:
        """To whoever reads the recording, and to whoever reads what the loop prints."""
        if self._hello is None:
            self._begin()
        self._recorder.record(Log(text=text))
        if self.directory is not None:
            lifetime.complain(text)

    def _begin(self, stepping: Clock | None = None, trained: bool = True) -> None:
        """In the step of `stepping`, if in anyone's. `trained`: whether there was a forward pass, seen or not."""
        self._discovery.finish(stepping)
        layers, forward = self._discovery.layers, self._discovery.forward
        if self._control is not None:
            for clock in self._gathering.clocks:
                self._control.know(clock.probe.layers, clock.probe.row_parameters, forward)
        offered = self._control.toggles() if self._control else []
        self._hello = make_hello(self._name, self._subject.networks, self._subject.optimizers, layers, self._attempt, forward, offered)
        self._recorder.flush()
        self._recorder.record(self._hello)
        if not forward and trained:
            self._recorder.record(Log(text=f"gradtui: {NOTHING_REACHED}"))
        if inside_backward() and (found := torn_layers(self._gathering.clocks)):
            self._say(found)
        self._drafting.begin(self._gathering.step, forward=False)  # this step's forward pass is over

    def _look_again(self) -> None:
        """Modules or parameters came or went, or were frozen."""
        self._hello = None
        self._attempt += 1
        self._discovery.start_over()

    def _discover_again(self) -> None:
        """Activations were exchanged. A frame that was to be made of the next forward passes is given up."""
        self._gathering.end()
        self.meter.in_frame = False
        self._discovery.look_again()

    # -- frames ----------------------------------------------------------------------------------------------------

    def _frame_next(self) -> None:
        self._drafting.begin(self.step + 1, self._discovery.forward)

    def _draft(self) -> None:
        outdated = self._discovery.outdated
        if not outdated:  # the gradients of parameters that are no part of it any more, or do not know of new ones
            self._recorder.add(self._drafting.draft(), self._gathering.clocks, len(self._discovery.layers))
        refrozen = self._discovery.refrozen()
        self._error_before = lifetime.last_error()
        self._gathering.end()
        if outdated or refrozen:
            self._look_again()

    def _log(self, values: Mapping[str, float | Tensor]) -> None:
        log = partial(self._recorder.log, values, self.step, self._hello is not None)
        awaited = self._drafting.spend(log) if self._recorder.pending else log()
        if awaited and self._control is not None:
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
            self._recorder.flush(wait=not crashed)  # whoever started the ranks may be about to end this one, too
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
        if self._control is not None:
            self._control.release()
        self._strangers.leave()
        self._discovery.leave()

    def _give_up(self, why: str, details: str = "") -> None:
        self._leave()
        for line in details.splitlines():
            self._recorder.record(Log(text=line))
        self._recorder.record(End(reason="stopped", step=self._gathering.last_step, error=f"gradtui stopped watching: {why}"[:2000]))
        if self.directory is not None:  # one rank's word is enough
            lifetime.complain(f"gradtui stopped watching: {why}; the training goes on")
