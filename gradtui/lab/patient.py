"""Whom the doctor sees: a training that can be done again from its beginning. Imports no torch.

It comes from a scenario, or from the recording of one: then with its seed, its settings and every toggle that came into
force, at the step at which it did; of a run that was restarted it is the last attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.errors import NoSuchScenarioError, ScenarioError
from gradtui.lab.scenario import Scenario
from gradtui.lab.toggles import Scheduled
from gradtui.stream import run_directory
from gradtui.stream.events import Applied, Event, Hello, Value
from gradtui.stream.recording import Recording
from gradtui.stream.run_directory import NoSuchRunError, RunDirectory

DISEASES = ("warning", "critical")
"""Severities that are worth a cure; information is none."""


class Patient(Struct, frozen=True, kw_only=True):
    """A training, and what is known of its illness."""

    name: str
    """As the command line takes it."""
    scenario: Scenario
    settings: dict[str, Value]
    """Every toggle that applies, at the start."""
    schedule: list[Scheduled] = []
    """What came into force later; only what acts while it trains."""
    seed: int = 0
    illness: Warning | None = None
    """The warning as it opened, where a recording tells."""
    recorded: bool = False
    attempts: int = 1
    """How many the recording holds; the last one is done again."""
    passed_over: str = ""
    """What a person should know of lines in the recording that could not be read; empty: nothing."""

    @property
    def ill_from(self) -> int | None:
        """The step of the frame that opened the warning."""
        return None if self.illness is None else self.illness.step


def admit(name: str) -> Patient:
    """The scenario, the scenario file or the recording that `name` names.

    Raises NoSuchScenarioError, ScenarioError, or RunError and its NoSuchRunError.
    """
    hint = "gradtui list and gradtui runs name them"
    if not Path(name).is_dir():
        try:
            scenario = scenarios.load(name)
        except NoSuchScenarioError as error:
            no_scenario = str(error)
            hint = no_scenario.partition("; ")[2] if "did you mean" in no_scenario else hint
        else:
            return Patient(name=name, scenario=scenario, settings=toggles.initial(scenario), seed=scenario.seed)
        if Path(name).suffix == ".toml":
            raise NoSuchScenarioError(no_scenario)
    try:
        run = run_directory.find(name)
    except NoSuchRunError as error:
        if Path(name).exists() or "fits" in str(error):
            raise
        raise NoSuchScenarioError(f"{name}: no such scenario or run; {hint}") from None
    return _from_recording(run)


def _from_recording(run: RunDirectory) -> Patient:
    with Recording(run.events) as recording:
        attempts, events = _last_attempt(list(recording.events()))
    hello = events[0] if events else None
    if not isinstance(hello, Hello):
        raise ScenarioError(f"{run.events}: holds no beginning of a run, so it cannot be done again")
    if "model" not in hello.scenario:
        raise ScenarioError(f"{run.path}: is a training of your own, which cannot be done again from here; the doctor takes a scenario's")
    scenario = scenarios.check(dict(hello.scenario), str(run.events))
    return Patient(
        name=run.name,
        scenario=scenario,
        settings=toggles.initial(scenario),
        schedule=[_scheduled(event) for event in events if isinstance(event, Applied) and _acted(event)],
        seed=hello.seed,
        illness=_illness(events),
        recorded=True,
        attempts=attempts,
        passed_over=recording.lines.told(run.events),
    )


def _last_attempt(events: list[Event]) -> tuple[int, list[Event]]:
    """How many attempts there are, and the events of the last one."""
    begins = [index for index, event in enumerate(events) if isinstance(event, Hello)]
    return len(begins), events[begins[-1] :] if begins else []


def _acted(applied: Applied) -> bool:
    """Whether it changed the training: not refused, no verb, and not waiting for a restart."""
    toggle = toggles.BY_KEY.get(applied.toggle)
    return not applied.reason and applied.value is not None and toggle is not None and toggle.live


def _scheduled(applied: Applied) -> Scheduled:
    assert applied.value is not None
    return Scheduled(applied.step, applied.toggle, applied.value)


def _illness(events: Iterable[Event]) -> Warning | None:
    """The oldest illness that is still there, as it began; of those that are over, if none is."""
    state = RunState()
    began: dict[str, Warning] = {}
    for event in events:
        for edge in state.apply(event):
            if ill(edge):
                began.setdefault(edge.code, edge)
    now = [edge for code, edge in began.items() if code in state.open and ill(state.open[code])]
    return min(now or began.values(), key=lambda edge: edge.step, default=None)


def ill(warning: Warning) -> bool:
    """Whether a warning's edge says that something is wrong."""
    return warning.state != "closed" and warning.severity in DISEASES
