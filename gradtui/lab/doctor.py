"""The doctor: tries every fix of a sick training; `ranking` ranks them by what they did. Imports no torch; its workers do.

Two questions are asked of each fix: does it rescue, from the step at which the warning opened, and would it have
prevented, from the first step? Each is answered by a short trial on the same batches, next to doing nothing and to a
random fix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from gradtui.diagnose.warnings import Warning
from gradtui.lab.errors import SettingError
from gradtui.lab.fixes import Fix, candidates
from gradtui.lab.patient import DISEASES, Patient
from gradtui.lab.workers import Failed
from gradtui.stream.events import Value

RESCUE, PREVENT = "rescue", "prevent"
ON_ONE_GPU = 8
"""Trainings side by side on one GPU. Small networks are bound by their launches, a core's work each, so several gain; but each
process has a CUDA context of its own, some half a GiB, and the GPU takes them by turns."""


class Find(Struct, frozen=True, kw_only=True):
    """Train a patient up to step `until` (None: until it is ill), and keep it in the file `path`."""

    patient: Patient
    seed: int
    until: int | None
    path: str
    device: str = "cpu"
    """`auto`, `cpu` or `cuda`, as `gradtui run` means them."""


class Found(Struct, frozen=True, kw_only=True):
    """A patient as it was kept."""

    step: int
    """Steps taken."""
    settings: dict[str, Value]
    open: list[Warning]
    device: str = "cpu"
    """What it was trained on, as a run's `hello` has it."""


class Try(Struct, frozen=True, kw_only=True):
    """Train a patient for `steps` steps with `fix` in force: from the file `path`, or without one from the first step."""

    patient: Patient
    question: str
    fix: Fix
    seed: int
    steps: int
    path: str = ""
    device: str = "cpu"


Task = Find | Try


class Does(Protocol):
    """Who does tasks: workers side by side, or one process, one task after the other."""

    def map(self, tasks: Sequence[Task], at_most: int | None = None) -> Iterator[Found | Trial | Failed]:
        """What each task came to; `at_most` so many are done at once."""


class Trial(Struct, frozen=True, kw_only=True, tag_field="type", tag="trial"):
    """What one fix did on one seed."""

    question: str
    """`rescue` or `prevent`."""
    fix: Fix
    """Empty: nothing was done."""
    seed: int
    loss: float = math.nan
    """Mean over the last 20 steps, of a GAN its sw1; nan: it was not finite on some of them."""
    span: float | None = None
    """Decades of the profile that is farthest from level, at the last step."""
    open: list[str] = []
    """Codes of the warnings still open, information left out."""
    metrics: dict[str, float] = {}
    """On the test set, at the end."""
    error: str = ""
    """Why it could not be tried."""


class Diagnosis(Struct, frozen=True, kw_only=True, tag_field="type", tag="diagnosis"):
    """Who is ill of what, and what will be tried."""

    patient: str
    seed: int
    step: int
    """The first step that a rescue can change."""
    warnings: list[Warning]
    """Those open by then that are no mere information."""
    outcome: str
    """What a trial is judged by: `loss` or `sw1`."""
    seeds: list[int]
    questions: list[str]
    fixes: list[Fix]
    trials: int
    """How many there will be."""
    device: str = "cpu"
    """What they run on, as a run's `hello` has it."""


class Plan(Struct, frozen=True, kw_only=True):
    """How the doctor goes about it."""

    seeds: int
    steps: int
    """Of each trial."""
    start: int | None
    """The step to rescue from; None: where the warning opened. 0: only prevention is asked for."""
    device: str = "cpu"
    """`auto`, `cpu` or `cuda`."""


class TrainingFailedError(Exception):
    """The patient cannot be trained at all."""


def examine(workers: Does, patient: Patient, plan: Plan, directory: Path) -> Diagnosis | None:
    """Train the patient until it is ill, on every seed up to the same step, and keep it in `directory`; None: it is healthy.

    Raises SettingError, TrainingFailedError or WorkerLostError.
    """
    until = plan.start
    if until is None and patient.recorded:
        if patient.ill_from is None:
            return None
        until = patient.ill_from + 1

    def find(seeds: Sequence[int], until: int | None, at_most: int | None) -> list[Found]:
        tasks = [Find(patient=patient, seed=seed, until=until, path=_path(directory, seed), device=plan.device) for seed in seeds]
        return _found(workers.map(tasks, at_most))

    (found,) = find([patient.seed], until, 1)
    sick = [warning for warning in found.open if warning.severity in DISEASES]
    if not sick and until is None:
        return None
    if not sick and plan.start is None and patient.illness is not None:
        sick = [patient.illness]  # its frames fell on other steps, and showed it sooner
    seeds = list(range(patient.seed, patient.seed + plan.seeds))
    find(seeds[1:], found.step, _at_once(found.device))
    suggested: list[Fix] = [suggestion.settings for warning in sick for suggestion in warning.try_]
    fixes = candidates(patient.scenario, found.settings, suggested)
    questions = [RESCUE, PREVENT] if found.step else [PREVENT]
    return Diagnosis(
        patient=patient.name,
        seed=patient.seed,
        step=found.step,
        warnings=sick,
        outcome="sw1" if patient.scenario.model == "wgan" else "loss",
        seeds=seeds,
        questions=questions,
        fixes=fixes,
        trials=len(seeds) * len(questions) * (len(fixes) + 1),
        device=found.device,
    )


def treat(workers: Does, patient: Patient, plan: Plan, diagnosis: Diagnosis, directory: Path) -> Iterator[Trial]:
    """Every trial, in an order that does not hang on which is done first: the first seed of everything, then the next.

    What a recording did to the patient after it was ill is not done: it may be somebody's own cure.
    """
    patient = msgspec.structs.replace(patient, schedule=[past for past in patient.schedule if past.step < diagnosis.step])
    tasks = [
        Try(
            patient=patient,
            question=question,
            fix=fix,
            seed=seed,
            steps=plan.steps,
            path=_path(directory, seed) if question == RESCUE else "",
            device=plan.device,
        )
        for seed in diagnosis.seeds
        for question in diagnosis.questions
        for fix in ({}, *diagnosis.fixes)
    ]
    for task, done in zip(tasks, workers.map(tasks, _at_once(diagnosis.device)), strict=True):
        if isinstance(done, Failed):
            yield Trial(question=task.question, fix=task.fix, seed=task.seed, error=done.error)
        else:
            assert isinstance(done, Trial)
            yield done


def _at_once(device: str) -> int | None:
    """How many trainings go side by side on `device`; None: as many as there are workers."""
    return ON_ONE_GPU if device.startswith("cuda") else None


def _found(results: Iterable[Found | Trial | Failed]) -> list[Found]:
    found = []
    for done in results:
        if isinstance(done, Failed):
            raise SettingError(done.error) if done.refused else TrainingFailedError(done.error)
        assert isinstance(done, Found)
        found.append(done)
    return found


def _path(directory: Path, seed: int) -> str:
    return str(directory / f"seed-{seed}")
