"""What the doctor's workers do: train a patient until it is ill, keep it there, and train it on with one fix in force.

All of it is the lab's own session, judged as any reader of its recording would judge it, on the device that the task
names. On the CPU the same seed gives the same numbers; on a GPU they differ in their last digits. The same seed also deals
the same batches, whatever the fix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import torch

from gradtui.diagnose import profile
from gradtui.diagnose.state import RunState
from gradtui.lab import checkpoint
from gradtui.lab.checkpoint import Checkpoint
from gradtui.lab.devices import choose_device, device_name
from gradtui.lab.doctor import Find, Found, Task, Trial, Try
from gradtui.lab.hello import hello
from gradtui.lab.learner import Measured
from gradtui.lab.patient import DISEASES, Patient
from gradtui.lab.sessions import Training, begin
from gradtui.stream.events import Applied, Event, Hello

LAST = 20
"""Steps at a trial's end whose mean loss it is judged by: one batch is noise."""


@dataclass(frozen=True)
class Kept:
    """A patient at one step: its training, and all that a reader has seen of it."""

    training: Checkpoint
    events: Sequence[Event]


class Course:
    """A training in this process, read as its recording would be."""

    def __init__(self, patient: Patient, session: Training, events: Sequence[Event], leave_out: Sequence[str] = ()) -> None:
        """`events` are those so far; settings of the keys in `leave_out` are passed over in the patient's schedule."""
        self.session = session
        self.events: list[Event] = []
        self.state = RunState()
        self._schedule = [scheduled for scheduled in patient.schedule if scheduled.key not in leave_out]
        self._every = patient.scenario.every
        for event in events:
            self._read(event)

    def set_scheduled(self) -> None:
        """Bring into force what the schedule has for this step."""
        for scheduled in self._schedule:
            if scheduled.step == self.session.step:
                self.set(scheduled.key, scheduled.value)

    def set(self, key: str, value: object) -> None:
        """Raises SettingError."""
        kept, note = self.session.set(key, value)  # type: ignore[arg-type]
        self._read(Applied(id="doctor", step=self.session.step, toggle=key, value=kept, note=note))

    def take_step(self, *, measure: bool = False) -> Measured | None:
        """One step; frames come as often as without a screen, and with `measure` this step is measured though it be none's."""
        step = self.session.step
        due = step % self._every == 0
        measured = self.session.take_step(measure=measure or due)
        if due and measured:
            self._read(measured.frame(step, {}))
        return measured

    @property
    def ill(self) -> bool:
        return any(warning.severity in DISEASES for warning in self.state.open.values())

    def _read(self, event: Event) -> None:
        self.events.append(event)
        self.state.apply(event)


def do(task: Task) -> Found | Trial:
    """Raises SettingError where the patient's own settings, network or data cannot be had, and whatever a network raises."""
    torch.set_num_threads(1)  # as many workers as cores
    return _find(task) if isinstance(task, Find) else tried(task, begun(task))


def _find(task: Find) -> Found:
    """Train until the patient is ill, or up to a given step, and keep it there."""
    patient = task.patient
    device = choose_device(task.device)
    session = begin(patient.scenario, patient.settings, task.seed, device)
    course = Course(patient, session, [_hello(patient, session, task.seed)])
    until = patient.scenario.steps if task.until is None else task.until
    while session.step < until and (task.until is not None or not course.ill):
        course.set_scheduled()
        course.take_step()
    torch.save(Kept(checkpoint.take(session, task.seed), course.events), task.path)
    open = list(course.state.open.values())
    return Found(step=session.step, settings=dict(session.settings), open=open, device=device_name(device))


def begun(task: Try) -> Course:
    """The patient with the fix in force, before the trial's first step."""
    return _rescued(task) if task.path else _prevented(task)


def tried(task: Try, course: Course) -> Trial:
    """Take the trial's steps, and what they came to."""
    losses: list[float] = []
    measured = None
    for left in range(task.steps, 0, -1):
        course.set_scheduled()
        measured = course.take_step(measure=left <= LAST)
        if measured and left <= LAST:
            losses.append(_outcome(course.session, measured))
    assert measured is not None
    course.session.evaluate()
    return Trial(
        question=task.question,
        fix=task.fix,
        seed=task.seed,
        loss=fmean(losses) if all(map(math.isfinite, losses)) else math.nan,
        span=_span(course.session, measured),
        open=sorted(code for code, warning in course.state.open.items() if warning.severity in DISEASES),
        metrics=course.session.metrics,
    )


def _rescued(task: Try) -> Course:
    """The patient as it was kept, with the fix in force from here on."""
    kept = _kept(task.path)
    course = Course(task.patient, checkpoint.resume(kept.training, choose_device(task.device)), kept.events)
    for key, value in task.fix.items():
        course.set(key, value)
    return course


def _prevented(task: Try) -> Course:
    """The patient at its beginning, with the fix in force from the first step and nothing that undoes it later."""
    settings = task.patient.settings | task.fix
    session = begin(task.patient.scenario, settings, task.seed, choose_device(task.device))
    return Course(task.patient, session, [_hello(task.patient, session, task.seed)], leave_out=list(task.fix))


@lru_cache(maxsize=1)
def _kept(path: str) -> Kept:
    found = torch.load(Path(path), weights_only=False, mmap=False)  # our own file of a minute ago
    assert isinstance(found, Kept)
    return found


def _outcome(session: Training, measured: Measured) -> float:
    """What is to be small: the data loss. A critic's loss says nothing of how good a GAN is; how far its points are off does."""
    if session.scenario.model != "wgan":
        return measured.loss
    session.evaluate()
    return session.metrics["sw1"]


def _span(session: Training, measured: Measured) -> float | None:
    """Decades of the profile that is farthest from level; None: there is none, or it is not finite."""
    delta = measured.layers["delta_rms"]
    spans = [profile.read(where, delta).span for where in profile.rows(session.layers)]
    return max((span for span in spans if span is not None), key=abs, default=None)


def _hello(patient: Patient, session: Training, seed: int) -> Hello:
    return hello(session, session.learners[0].device, run=patient.name, scenario={"name": patient.scenario.name}, seed=seed)
