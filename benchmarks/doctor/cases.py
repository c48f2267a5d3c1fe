"""One case: a sick training, the doctor's trials of every fix, and what became of each fix in the end.

A trial is the beginning of a whole training, so each is simply trained on: the same process, the same batches, for as many steps
as the training has, now without measuring.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import torch
from msgspec import Struct

from benchmarks.cells import Cell, read
from benchmarks.diagnosis.draws import draw
from gradtui.diagnose.curves import CLASSES
from gradtui.lab import doctor, trial
from gradtui.lab.doctor import Diagnosis, Find, Found, Plan, Task, Trial, Try
from gradtui.lab.learner import Learner
from gradtui.lab.patient import Patient, admit
from gradtui.lab.workers import Failed, outcome

RANDOM = "random-"
"""What a random network's name begins with; its seed follows."""
STEPS = 200
"""Of a trial, as `gradtui doctor` has them by default."""
FAILED = 0.3
"""The score under which a training failed, as in the bank."""


class Case(Struct, kw_only=True):
    """A training and a question; `diagnosis` is None where nothing was to be cured, or the doctor saw nothing."""

    name: str
    question: str
    nothing: float
    """The score where nothing is done, from the first step."""
    diagnosis: Diagnosis | None = None
    trials: list[Trial] = []
    scores: list[float] = []
    """What each trial came to in the end, in the trials' order."""
    seconds: float = 0.0
    """The doctor's own, on one core: finding the illness and the trials."""

    @property
    def missed(self) -> bool:
        return self.nothing < FAILED and self.diagnosis is None


class Outcomes:
    """Does the doctor's tasks in this process, and goes on with each trial to its end."""

    def __init__(self, patient: Patient) -> None:
        self.scores: list[float] = []
        self.seconds = 0.0
        self._steps = patient.scenario.steps
        self._cell = next((cell for cell in read() if cell.scenario == patient.name), None)

    def map(self, tasks: Sequence[Task], at_most: int | None = None) -> Iterator[Found | Trial | Failed]:
        for task in tasks:
            found = outcome(self._do, task)
            if isinstance(task, Try) and isinstance(found, Failed):
                self.scores.append(0.0)
            yield found

    def _do(self, task: Task) -> Found | Trial:
        began = time.monotonic()
        if isinstance(task, Find):
            found = trial.do(task)
            self.seconds += time.monotonic() - began
            return found
        course = trial.begun(task)
        tried = trial.tried(task, course)
        self.seconds += time.monotonic() - began
        self.scores.append(self._end(task, course))
        return tried

    def _end(self, task: Try, course: trial.Course) -> float:
        session = course.session
        measured = None
        for left in range(self._steps - task.steps, 0, -1):
            if left % 50 == 0 and not _alive(session.learners):
                return 0.0
            measured = session.take_step(measure=left == 1)
        session.evaluate()
        if not _alive(session.learners) or (measured and not math.isfinite(measured.loss)):
            return 0.0
        return _score(self._cell, course)


def _alive(learners: Sequence[Learner]) -> bool:
    """Whether every weight is a number: what is none stays so."""
    return all(math.isfinite(float(parameter.detach().sum())) for learner in learners for parameter in learner.model.parameters())


def _score(cell: Cell | None, course: trial.Course) -> float:
    """From chance, 0, to perfect, 1."""
    session = course.session
    if cell is not None:
        return min(1.0, cell.score_of(session.metrics))
    chance = 1 / CLASSES[str(session.settings.get("data", session.scenario.data))]
    return max(0.0, (session.metrics["accuracy"] - chance) / (1 - chance))


def patient(name: str) -> Patient:
    if not name.startswith(RANDOM):
        return admit(name)
    seed = int(name.removeprefix(RANDOM))
    scenario, settings = draw(seed)
    return Patient(name=name, scenario=scenario, settings=settings, seed=seed)


def measure(name: str, question: str) -> Case:
    """The doctor's ranking of one training's fixes under one question, and the truth about each."""
    torch.set_num_threads(1)
    who = patient(name)
    steps = min(STEPS, who.scenario.steps)
    alone = Outcomes(who)
    list(alone.map([Try(patient=who, question=doctor.PREVENT, fix={}, seed=who.seed, steps=steps)]))
    case = Case(name=name, question=question, nothing=alone.scores[0])
    if name.startswith(RANDOM) and case.nothing >= FAILED:
        return case
    with tempfile.TemporaryDirectory() as path:
        does, plan = Outcomes(who), Plan(seeds=1, steps=steps, start=None)
        found = doctor.examine(does, who, plan, Path(path))
        if found is None or question not in found.questions:
            return case
        case.diagnosis = msgspec.structs.replace(found, questions=[question])
        case.trials = list(doctor.treat(does, who, plan, case.diagnosis, Path(path)))
        case.scores, case.seconds = does.scores, does.seconds
        return case
