"""The Textual app: wires the screens to whoever opened them, and leaves the terminal as it was however it ends.

    from gradtui.ui.app import Choice, GradApp, Outcome, Watched

    terminal.prepare(os.environ)                      # before the first import of textual
    app = GradApp(Watched(run, trainer))              # a run that this process started
    app = GradApp(Watched(run))                       # attached: leaving never asks and never touches the training
    app = GradApp(choices=[Choice(…)], start=start)   # the list of scenarios; start(name) -> Watched, raises RunError or ValueError
    outcome = app.run(mouse=True)                     # Outcome, also when a signal ended it; None only after an internal error

`restart(run, settings) -> Trainer` starts a new trainer in a run directory whose trainer has ended (key `r`); without it `r`
restarts living trainers only. `ascii=True` shows nothing but ASCII. Nothing is stopped here: the caller looks at
`outcome.choice` ("stop", "detach", or "leave" when there was nothing to decide) once the terminal is restored, and at
`app.return_code` (0, or 128 + the signal's number). Whoever gives `start` keeps the trainers it started: leaving a run for
the list sends `stop` or `detach` as a command and does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from gradtui.diagnose.words import inert
from gradtui.stream.run_directory import RunError
from gradtui.ui import help, shot
from gradtui.ui.leave import LeaveScreen
from gradtui.ui.life import Trainer
from gradtui.ui.picker import Choice, Picker
from gradtui.ui.plain import AsciiFilter
from gradtui.ui.theme import FULL, SIXTEEN
from gradtui.ui.watched import Restart, Watched

if TYPE_CHECKING:
    from gradtui.ui.run_screen import RunScreen

__all__ = ["Choice", "GradApp", "Outcome", "Trainer", "Watched"]

GRACE = 3.0
"""Seconds that the screen has to close when it is told from outside."""


@dataclass(frozen=True)
class Outcome:
    """How a person left: `stop`, `detach`, or `leave` where there was nothing to decide; and the run that was on screen."""

    choice: str
    watched: Watched | None


class GradApp(App[Outcome]):
    """The gradient debugger's screens."""

    TITLE = "gradtui"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Leave", id="app.leave", tooltip="Leave; while it trains, asks whether to stop it."),
        Binding("ctrl+c,ctrl+q", "leave", "Leave", id="app.leave.always", show=False, priority=True, tooltip="Leave, from anywhere."),
        Binding(
            "escape", "scenarios", "Scenarios", id="app.back", show=False, tooltip="Clear the filter; then back to the list of scenarios."
        ),
        Binding("question_mark,f1", "help", "Help", id="app.help", key_display="?", tooltip="All keys, and what the signs mean."),
        Binding(
            "ctrl+p", "command_palette", "palette", id="app.palette", show=False, priority=True, tooltip="All of this in a list to search."
        ),
        Binding("f8", "shot", "Picture", id="app.shot", show=False, tooltip="Save the screen as SVG and as text."),
        Binding("ctrl+z", "suspend_process", "Suspend", id="app.suspend", show=False, tooltip="Back to the shell; fg returns."),
    ]

    def __init__(
        self,
        watched: Watched | None = None,
        *,
        choices: Sequence[Choice] = (),
        start: Callable[[str], Watched] | None = None,
        restart: Restart | None = None,
        ascii: bool = False,
    ) -> None:
        super().__init__()
        self._watched = watched
        self._choices = choices
        self._start = start
        self._restart = restart
        self._ascii = AsciiFilter() if ascii else None
        self._deadline: threading.Timer | None = None
        self.animation_level = "none"
        self.register_theme(FULL)
        self.register_theme(SIXTEEN)
        # Not `self.theme = …`: its watcher has every style parsed and applied once more, after the first time.
        self.set_reactive(App.theme, SIXTEEN.name if self.console.color_system == "standard" else FULL.name)
        self.stylesheet.set_variables(self.get_css_variables())

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *([self._ascii] if self._ascii else [])]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return FULL.variables  # for Textual's own themes, which the palette offers

    def get_default_screen(self) -> Screen[Any]:
        """The first screen itself: an empty one under it would be laid out and styled too before anything is seen."""
        return Picker(self._choices) if self._watched is None else self._screen_over(self._watched)

    def on_mount(self) -> None:
        self.call_after_refresh(gc.enable)  # which whoever starts it may have turned off until here
        if not self.is_headless:
            self._mind_the_terminal()

    def _mind_the_terminal(self) -> None:
        """End properly on signals and when the terminal is gone: Textual itself would leave it raw, or wait for it for ever."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            # Not the event loop's own handlers: they do not run while it waits for a terminal that has stopped reading.
            signal.signal(number, lambda number, _: self._end_soon(128 + number))
        self._events = asyncio.get_running_loop()
        threading.Thread(target=self._wait_for_hang_up, daemon=True, name="hang-up").start()

    def _wait_for_hang_up(self) -> None:
        terminal = select.poll()
        terminal.register(0, 0)  # a hang-up is told without being asked for
        terminal.poll()
        self._end_soon(128 + signal.SIGHUP)

    def _end_soon(self, code: int) -> None:
        """Leave from outside the event loop; should it not get there, end the process, and the lifeline ends the trainer."""
        if self._deadline is None:
            self._deadline = threading.Timer(GRACE, os._exit, [code])
            self._deadline.daemon = True
            self._deadline.start()
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is leaving already
            self._events.call_soon_threadsafe(self._end, code)

    def released(self) -> None:
        """The terminal has been given back: whoever ran the app takes its time for what is left to do."""
        if self._deadline is not None:
            self._deadline.cancel()

    def _end(self, code: int) -> None:
        """Leave without a question: the trainer ends with the viewer that started it."""
        screen = self.run_screen
        self.exit(Outcome("stop" if screen and screen.training else "leave", screen.watched if screen else None), return_code=code)

    def _screen_over(self, watched: Watched) -> RunScreen:
        from gradtui.ui.run_screen import RunScreen  # here: the list of scenarios is painted without it

        ascii = self._ascii is not None
        if watched.player:
            from gradtui.ui.replay_screen import ReplayScreen  # and a run without this

            return ReplayScreen(watched, watched.player, ascii=ascii)
        return RunScreen(watched, restart=self._restart, ascii=ascii)

    @property
    def run_screen(self) -> RunScreen | None:
        """The run that is being shown, whatever lies over it."""
        from gradtui.ui.run_screen import RunScreen

        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, RunScreen)), None)

    @on(Picker.Chosen)
    def _chosen(self, chosen: Picker.Chosen) -> None:
        if self._start is None:
            return
        try:
            self.push_screen(self._screen_over(self._start(chosen.name)))
        except (RunError, ValueError) as error:
            self.notify(inert(str(error)), severity="error", markup=False)

    # Leaving

    def action_leave(self) -> None:
        screen = self.run_screen
        if isinstance(self.screen, LeaveScreen):  # asked twice: meant it
            self._end(0)
        elif screen is not None and screen.training:
            self.push_screen(LeaveScreen(), partial(self._left, screen))
        else:
            self.exit(Outcome("leave", screen.watched if screen else None))

    def _left(self, screen: RunScreen, answer: str | None) -> None:
        if answer in ("stop", "detach"):
            self.exit(Outcome(answer, screen.watched))

    def action_scenarios(self) -> None:
        screen = self.run_screen
        if screen is None or self.screen is not screen or screen.clear_filter() or not self._choices:
            return
        if screen.training:
            self.push_screen(LeaveScreen(), partial(self._left_for_the_list, screen))
        else:
            self.pop_screen()

    def _left_for_the_list(self, screen: RunScreen, answer: str | None) -> None:
        if answer in ("stop", "detach"):
            problem = screen.controls.do(answer)
            if problem:
                screen.tell(problem)
            self.pop_screen()

    # Help, palette, pictures

    def action_help(self) -> None:
        screen = self.run_screen
        toggles = screen.toggles_now() if screen and not screen.why_not("press") else []
        self.push_screen(help.TextScreen("Keys", partial(help.rows, self.key_sections(), toggles)))

    def key_sections(self) -> list[tuple[str, list[Binding]]]:
        """Every binding that means something on the present screen, by where it is bound."""
        nodes = [self.screen, *self.screen.query("ScenarioList, LayerBars, TogglesPanel"), self]
        titles = {
            "ScenarioList": "Scenarios",
            "RunScreen": "Training",
            "ReplayScreen": "Replay",
            "LayerBars": "Bars",
            "TogglesPanel": "Toggles panel (tab goes there)",
            "GradApp": "Everywhere",
        }
        taken = {b.key for bound in self.screen._bindings.key_to_bindings.values() for b in bound if b.priority}
        described = [(node, _described(type(node).BINDINGS)) for node in nodes]
        alive = [(node, [b for b in bound if node is self.screen or taken.isdisjoint(b.key.split(","))]) for node, bound in described]
        shown = self.run_screen
        return [
            (titles.get(type(node).__name__, "Here"), [b for b in bound if shown is None or not shown.why_not(help.bare(b))])
            for node, bound in alive
        ]

    def action_command_palette(self) -> None:
        from gradtui.ui.palette import ID, Palette  # here: no run needs it to start

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id=ID))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        keys: dict[str, list[str]] = {}  # of every action, so that it is there once
        found = [
            active
            for active in screen.active_bindings.values()
            if active.enabled and active.binding.id and not active.binding.id.startswith("toggle.") and active.binding.description
        ]
        for active in found:
            keys.setdefault(active.binding.action, []).append(help.key_names(active.binding))
        for node, binding, _, tooltip in {active.binding.action: active for active in reversed(found)}.values():
            title = f"{binding.description} ({' '.join(keys[binding.action])})"
            yield SystemCommand(title, tooltip, partial(self.run_action, binding.action, node))
        shown = self.run_screen
        if shown and shown is screen and shown.changeable and shown.feed.state.hello:
            for toggle in shown.feed.state.hello.toggles:
                change = partial(shown.change, toggle.key, 1)
                label = inert(toggle.label).replace("[", "(")  # the palette reads markup
                yield SystemCommand(f"Toggle {label}", "Flip it, choose from a list, or type a number.", change)

    def notify(self, message: str, **options: Any) -> None:
        """One note at a time: a second one would lie over the warnings."""
        self.clear_notifications()
        super().notify(message, **options)

    def action_shot(self) -> None:
        screen = self.run_screen
        try:
            path = shot.save(self, f"gradtui-{screen.watched.run.name}" if screen else "gradtui")
        except OSError as error:
            self.notify(f"the picture cannot be written: {error}", severity="error", markup=False)
        else:
            self.notify(f"saved {path} and .txt", markup=False)


def _described(bindings: Sequence[BindingType]) -> list[Binding]:
    """The bindings with words of their own; the toggles' keys are listed with the toggles."""
    return [binding for binding in bindings if isinstance(binding, Binding) and binding.tooltip]
