"""The verbs' share of a run's screen: pause, one step, begin again, each by a command to the trainer, or with a new trainer."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import ActiveBinding, Binding, BindingType

from gradtui.diagnose.words import inert
from gradtui.stream.run_directory import RunError
from gradtui.ui import life as lives
from gradtui.ui.changing import Changing
from gradtui.ui.watched import Watched

KEYS: tuple[BindingType, ...] = (
    Binding("space", "pause", "Pause", id="run.pause", tooltip="Pause the training, or let it go on."),
    Binding("full_stop", "step", "Step", id="run.step", tooltip="Train one step, then pause."),
    Binding("r", "restart", "Restart", id="run.restart", tooltip="Begin again: the same seed, the toggles as they are."),
)


class Commanding(Changing):
    """A screen over a run whose trainer obeys."""

    watched: Watched
    _restarting: bool

    @property
    def training(self) -> bool:
        """A trainer that this viewer started is at work."""
        return self.watched.trainer is not None and self.watched.trainer.alive and not self.life.over

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """What the footer and the palette offer: nothing that cannot be done any more, though its key still says why."""
        barred = {*(("pause", "step") if self.life.over else ()), *(() if self.changeable else ("restart",))}
        return {key: active for key, active in super().active_bindings.items() if active.binding.action not in barred}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        hello = self.feed.state.hello
        if action != "press" and lives.watched(hello):  # nobody but its owner can begin such a training again
            return bool(hello and hello.toggles) if action in ("pause", "step") else action not in ("restart", "doctor")
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        self._do("resume" if self.feed.state.paused else "pause")

    def action_step(self) -> None:
        self._do("step")

    def action_restart(self) -> None:
        if not self.life.over:
            self._do("restart")
        elif self._restart is None:
            another = "" if lives.watched(self.feed.state.hello) else ": gradtui run starts another"
            self.tell(f"this run is over, and this viewer did not start it{another}")
        else:
            try:
                trainer = self._restart(self.watched.run, self.feed.state.settings | self.controls.pending)
            except RunError as error:
                self.tell(inert(str(error)))
                return
            self.watched = replace(self.watched, trainer=trainer)
            self._restarting = True

    def _do(self, verb: str) -> None:
        over = "the run is over; r starts it again" if self._restart else "the run is over"
        problem = over if self.life.over else self.controls.do(verb)
        if problem:
            self.tell(problem)
