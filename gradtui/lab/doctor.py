"""The doctor: tries every fix of a sick training and ranks them by what they did. Imports no torch; its workers do.

Two questions are asked of each fix: does it rescue, from the step at which the warning opened, and would it have
prevented, from the first step? Each is answered by a short trial on the same batches, next to doing nothing and to a
random fix. What counts is the accuracy on the test set, which ranks fixes more nearly as their final outcome does than
the loss at the trial's end: losses that are all near chance differ, and by nothing that lasts (benchmarks/doctor.md).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
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
DIGITS = 3
"""Significant digits by which losses are ranked: what differs after them is noise, and the warnings decide."""
ALIKE = 0.005
"""Two losses this near each other, as a share, are the same, and so are two accuracies."""
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


class Row(Struct, frozen=True, kw_only=True):
    """What one fix did on all seeds."""

    rank: int
    fix: Fix
    verdict: str
    """Against doing nothing: `better`, `same` or `worse` on every seed, or `mixed`; `refused` where it could not be tried."""
    accuracy: float | None
    """On the test set, mean over the seeds; None where it is not measured."""
    loss: float
    """Mean over the seeds; nan: not finite on some of them."""
    low: float
    high: float
    span: float | None
    """Mean over the seeds."""
    open: list[str]
    """Codes open on any seed."""
    random: bool = False
    """The fix that chance would have picked."""
    error: str = ""


class Ranking(Struct, frozen=True, kw_only=True, tag_field="type", tag="ranking"):
    """The fixes, best first."""

    question: str
    step: int
    """The step from which the fix was in force."""
    rows: list[Row]


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
    seeds = list(range(patient.seed, patient.seed + plan.seeds))
    find(seeds[1:], found.step, _at_once(found.device))
    suggested: list[Fix] = [{suggestion.toggle: suggestion.value} for warning in sick for suggestion in warning.try_]
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


def rank(diagnosis: Diagnosis, trials: Sequence[Trial]) -> list[Ranking]:
    """A ranking for each question: by accuracy where it is measured, then by loss, by warnings still open, by how level the profile is."""
    return [
        Ranking(question=question, step=diagnosis.step if question == RESCUE else 0, rows=_rows(diagnosis, question, trials))
        for question in diagnosis.questions
    ]


def _rows(diagnosis: Diagnosis, question: str, trials: Sequence[Trial]) -> list[Row]:
    by_fix = [[trial for trial in trials if trial.question == question and trial.fix == fix] for fix in ({}, *diagnosis.fixes)]
    nothing = by_fix[0]
    chance = random.Random(diagnosis.seed).choice(diagnosis.fixes) if diagnosis.fixes else None
    ordered = sorted((of_fix for of_fix in by_fix if of_fix), key=_key)
    return [_row(rank, of_fix, nothing, chance) for rank, of_fix in enumerate(ordered, start=1)]


def _key(trials: list[Trial]) -> tuple[bool, int, float, float, float, float]:
    finite = [trial for trial in trials if math.isfinite(trial.loss)]
    return (
        any(trial.error for trial in trials),
        len(trials) - len(finite),
        -(_accuracy(finite) or 0.0),
        _rounded(fmean(trial.loss for trial in finite)) if finite else math.inf,
        fmean(len(trial.open) for trial in trials),
        fmean(_steepness(trial) for trial in trials),
    )


def _accuracy(trials: Sequence[Trial]) -> float | None:
    found = [trial.metrics["accuracy"] for trial in trials if "accuracy" in trial.metrics]
    return fmean(found) if found else None


def _steepness(trial: Trial) -> float:
    return abs(trial.span) if trial.span is not None and math.isfinite(trial.span) else 1e3


def _row(rank: int, trials: list[Trial], nothing: list[Trial], chance: Fix | None) -> Row:
    losses = [trial.loss for trial in trials]
    spans = [trial.span for trial in trials if trial.span is not None and math.isfinite(trial.span)]
    finite = all(map(math.isfinite, losses))
    fix = trials[0].fix
    return Row(
        rank=rank,
        fix=fix,
        verdict=_verdict(trials, nothing),
        accuracy=_accuracy(trials),
        loss=fmean(losses) if finite else math.nan,
        low=min(losses) if finite else min(filter(math.isfinite, losses), default=math.nan),
        high=max(losses) if finite else math.nan,
        span=fmean(spans) if spans else None,
        open=sorted({code for trial in trials for code in trial.open}),
        random=bool(fix) and fix == chance,
        error=next((trial.error for trial in trials if trial.error), ""),
    )


def _verdict(trials: list[Trial], nothing: list[Trial]) -> str:
    if any(trial.error for trial in trials):
        return "refused"
    signs = {_compared(mine, theirs) for mine, theirs in zip(trials, nothing, strict=False)}
    return {-1: "better", 0: "same", 1: "worse"}[signs.pop()] if len(signs) == 1 else "mixed"


def _compared(mine: Trial, theirs: Trial) -> int:
    """-1: mine is better, by its accuracy or, where that is alike, by its loss; what is not finite is worse than all that is."""
    a, b = (trial.loss if math.isfinite(trial.loss) else math.inf for trial in (mine, theirs))
    if math.isfinite(a) and math.isfinite(b):
        gain = (_accuracy([mine]) or 0.0) - (_accuracy([theirs]) or 0.0)
        if abs(gain) > ALIKE:
            return -1 if gain > 0 else 1
    return 0 if math.isclose(a, b, rel_tol=ALIKE) else (a > b) - (a < b)


def _rounded(loss: float) -> float:
    return float(f"{loss:.{DIGITS}g}")


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
