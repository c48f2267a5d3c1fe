"""The verbs' share of a run's screen: pause, one step, begin again, each by a command to the trainer, or with a new trainer."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import ActiveBinding, Binding, BindingType

from gradtui.diagnose.words import inert
from gradtui.stream.run_directory import RunError
from gradtui.ui import footing
from gradtui.ui import life as lives
from gradtui.ui.changing import ONLY_TO_LOOK_AT, Changing
from gradtui.ui.help import bare
from gradtui.ui.watched import Watched

WIDE = 100
"""Columns from which, as the style sheet has it, the palette's key is in the footer."""

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
        """What the footer and the palette offer: nothing that cannot be done, though its key still says why."""
        alive = {
            key: active._replace(binding=replace(active.binding, description=self.word(active.binding)))
            for key, active in super().active_bindings.items()
            if not self.why_not(bare(active.binding))
        }
        width = self.app.size.width
        return footing.fitted(alive, self.app, width - footing.PALETTE if width >= WIDE else width)

    def word(self, binding: Binding) -> str:
        """What a key would do now, in the footer's word for it."""
        return "Go on" if binding.id == "run.pause" and self.feed.state.paused else binding.description

    def why_not(self, action: str) -> str:
        """Why `action` cannot be done, in a line; empty: it can be."""
        hello = self.feed.state.hello
        own = lives.watched(hello)
        match action:
            case "doctor" if own:
                return "the doctor takes scenarios, not a training of your own"
            case "restart" if own:
                return "only where this training was started can it begin again"
            case "restart" if not self.changeable:
                return "this run is over, and this viewer did not start it: gradtui run starts another"
            case "pause" | "step" if self.life.over:
                return "the run is over; r starts it again" if self._restart else "the run is over"
            case "pause" | "step" if own and not (hello and hello.toggles):
                return ONLY_TO_LOOK_AT
        return super().why_not(action)

    def action_pause(self) -> None:
        self._do("resume" if self.feed.state.paused else "pause")

    def action_step(self) -> None:
        self._do("step")

    def action_restart(self) -> None:
        if why_not := self.why_not("restart"):
            self.tell(why_not)
        elif not self.life.over:
            self._do("restart")
        elif self._restart is not None:
            try:
                trainer = self._restart(self.watched.run, self.feed.state.settings | self.controls.pending)
            except RunError as error:
                self.tell(inert(str(error)))
                return
            self.watched = replace(self.watched, trainer=trainer)
            self._restarting = True

    def _do(self, verb: str) -> None:
        problem = self.why_not("pause" if verb == "resume" else verb) or self.controls.do(verb)
        if problem:
            self.tell(problem)
