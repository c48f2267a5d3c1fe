"""Opens the screen: finds out whether this terminal can show one, starts trainers for it, and ends them after it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gradtui import exits, launch
from gradtui.stream import run_directory
from gradtui.stream.recording import over
from gradtui.ui import terminal

if TYPE_CHECKING:
    from gradtui.lab.scenario import Scenario
    from gradtui.lab.spec import Spec
    from gradtui.launch import Trainer
    from gradtui.stream.events import Value
    from gradtui.stream.run_directory import RunDirectory
    from gradtui.tour import Stop
    from gradtui.ui.app import Choice, GradApp, Watched


Remarks = tuple[tuple[int, str], ...]
"""What a guide says, each from a step on."""


def refusal() -> str:
    """Why no screen can open here, and what to do instead; empty: one can."""
    return terminal.refusal(os.environ, stdin_is_terminal=sys.stdin.isatty(), stderr_is_terminal=sys.stderr.isatty())


class Trainings:
    """The trainers started for the screen, each with the Spec it began with."""

    def __init__(self) -> None:
        self._started: dict[Path, tuple[Spec, Trainer]] = {}

    def start(self, spec: Spec, where: Path | None = None) -> tuple[RunDirectory, Trainer]:
        """Begin a run. Raises RunError."""
        run = run_directory.create(spec.name, where)
        return run, self._begin(spec, run)

    def restart(self, run: RunDirectory, settings: dict[str, Value]) -> Trainer:
        """A new trainer in the directory of one that has ended, with the toggles as they were. Raises RunError."""
        spec, _ = self._started[run.path]
        kept = {key: value for key, value in settings.items() if key in spec.settings}
        return self._begin(msgspec.structs.replace(spec, settings=spec.settings | kept, schedule=[]), run)

    def _begin(self, spec: Spec, run: RunDirectory) -> Trainer:
        trainer = launch.start(spec, run)
        self._started[run.path] = spec, trainer
        return trainer

    def settle(self, run: RunDirectory, *, detach: bool) -> int:
        """End the run that was on the screen, or let it go on; returns the exit code that its trainer stands for.

        Trainers of runs left for the list have been told already; this process's end cuts their lifelines.
        """
        _, trainer = self._started[run.path]
        crashed = trainer.returncode not in (None, 0)
        if detach and trainer.detach():
            click.echo(f"it goes on; come back to it with: gradtui attach {run.name}; end it with: gradtui stop {run.name}", err=True)
        else:
            trainer.stop()
            click.echo(f"recorded in {run.path}", err=True)
        return exits.CRASHED if crashed else 0


def pick() -> int:
    """The list of scenarios, then the chosen one; returns the exit code."""
    from gradtui.lab.scenario import catalog

    _prepare()
    return _choose([_choice(scenario) for scenario in catalog()], _spec_of)


def _spec_of(name: str) -> Spec:
    from gradtui.cli_run import Flags, make_spec  # here: the list is painted without it
    from gradtui.lab.scenario import load

    return make_spec(Flags(scenario=name), load(name))


def tour() -> int:
    """The tour's stops as a list, in their order, then the chosen one; returns the exit code."""
    from gradtui import tour as tours

    _prepare()
    stops = {stop.path.stem: stop for stop in tours.stops()}
    choices = [_stop(stop) for stop in stops.values()]
    return _choose(choices, lambda name: stops[name].spec(screen=True), lambda name: _remarks(stops[name]))


def _choose(choices: list[Choice], spec_of: Callable[[str], Spec], remarks: Callable[[str], Remarks] = lambda _: ()) -> int:
    from gradtui.ui.app import GradApp, Watched

    trainings = Trainings()

    def start(name: str) -> Watched:
        return Watched(*trainings.start(spec_of(name)), remarks(name))

    return _show(GradApp(choices=choices, start=start, restart=trainings.restart, ascii=_ascii()), trainings)


def run(spec: Spec, where: Path | None) -> int:
    """Train what `spec` says and watch it; returns the exit code. Raises RunError."""
    _prepare()
    trainings = Trainings()
    started = trainings.start(spec, where)  # before the screen is imported: the trainer has torch to import meanwhile
    from gradtui.ui.app import GradApp, Watched

    return _show(GradApp(Watched(*started), restart=trainings.restart, ascii=_ascii()), trainings)


def attach(run: RunDirectory) -> int:
    """Watch a run that somebody else started; returns the exit code."""
    _prepare()
    from gradtui.ui.app import GradApp, Watched

    return _show(GradApp(Watched(run), ascii=_ascii()), Trainings())


def replay(run: RunDirectory) -> int:
    """Watch a recording by the clock; returns the exit code. Raises OSError."""
    _prepare()
    from gradtui.ui.app import GradApp, Watched
    from gradtui.ui.player import Player

    return _show(GradApp(Watched(run, player=Player(run)), ascii=_ascii()), Trainings())


def compare(first: RunDirectory, second: RunDirectory, by: float) -> int:
    """Watch a run with another one's profile behind its bars: by the clock where it is over, else as it goes. Returns the exit code."""
    _prepare()
    from gradtui.ui.app import GradApp, Watched
    from gradtui.ui.player import Player
    from gradtui.ui.watched import Against

    player = Player(first) if over(first) else None
    return _show(GradApp(Watched(first, against=Against(second, by), player=player), ascii=_ascii()), Trainings())


def _prepare() -> None:
    """Raises UsageError where no screen can open; then sets what Textual reads when it is imported."""
    if why := refusal():
        raise click.UsageError(why)
    gc.disable()  # what starting makes is not garbage, and looking for some took a tenth of it; the app turns it on again
    terminal.prepare(os.environ)


def _show(app: GradApp, trainings: Trainings) -> int:
    outcome = app.run(mouse="gradtui.no_mouse" not in click.get_current_context().meta)
    app.released()
    code = app.return_code or 0
    if outcome is None or outcome.watched is None or outcome.watched.trainer is None:
        return code
    return code or trainings.settle(outcome.watched.run, detach=outcome.choice == "detach")


def _ascii() -> bool:
    given = "gradtui.ascii" in click.get_current_context().meta
    return given or terminal.needs_ascii(sys.stderr.encoding)


def _choice(scenario: Scenario) -> Choice:
    from gradtui.ui.app import Choice

    details = [("Symptom", scenario.symptom), ("Cause", scenario.cause), ("Try", "\n".join(scenario.try_))]
    details += [("Do not expect", "\n".join(scenario.expect_not)), ("Paper", scenario.paper)]
    shown = tuple((head, text) for head, text in details if text)
    return Choice(name=scenario.name, title=scenario.title, group=scenario.group, shows=scenario.shows, details=shown)


def _remarks(stop: Stop) -> Remarks:
    return tuple((remark.step, remark.text) for remark in stop.remarks)


def _stop(stop: Stop) -> Choice:
    from gradtui.ui.app import Choice

    details = tuple((remark.heading, remark.text) for remark in stop.remarks)
    return Choice(
        name=stop.path.stem, title=f"{stop.path.stem[0]} {stop.title}", group="The tour", shows=stop.scenario.shows, details=details
    )
