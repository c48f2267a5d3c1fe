"""`gradtui doctor`: from flags to the doctor, and its table on standard output.

As text, each trial is a line on standard error while the table comes together; as JSON, each is a line of data, in an
order that is the same every time, and so are the bytes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from msgspec.structs import asdict

from gradtui import exits
from gradtui.diagnose.words import counted, inert, setting, short
from gradtui.lab import doctor
from gradtui.lab.doctor import Diagnosis, Plan, Trial
from gradtui.lab.fixes import Fix
from gradtui.lab.patient import Patient, admit
from gradtui.lab.ranking import Ranking, Row, rank
from gradtui.lab.workers import WorkerLostError, Workers, cores
from gradtui.stream.events import encode

NOTHING = "nothing"


class Examined(Diagnosis, frozen=True, kw_only=True, tag="diagnosis"):
    """The diagnosis as it is printed as JSON."""

    attempts: int
    """How many the recording holds: it is the last one's diagnosis."""


def run(name: str, *, json: bool, seeds: int, steps: int, start: int | None, device: str) -> int:
    """`gradtui doctor`; returns the exit code. Raises SettingError."""
    patient = admit(name)
    if patient.passed_over:
        exits.complain(patient.passed_over)
    plan = Plan(seeds=seeds, steps=steps, start=start, device=device)
    with tempfile.TemporaryDirectory(prefix="gradtui-doctor-") as directory, exits.interruptible(), Workers(cores()) as workers:
        try:
            _see(workers, patient, plan, Path(directory), _Json(patient) if json else _Text(patient))
        except (doctor.TrainingFailedError, WorkerLostError) as error:
            exits.complain(f"{name}: the training failed: {error}")
            return exits.CRASHED
    return 0


def _see(workers: Workers, patient: Patient, plan: Plan, directory: Path, printer: _Json | _Text) -> None:
    diagnosis = doctor.examine(workers, patient, plan, directory)
    if diagnosis is None:
        printer.healthy()
        return
    printer.diagnosis(diagnosis)
    trials = []
    for trial in doctor.treat(workers, patient, plan, diagnosis, directory):
        trials.append(trial)
        printer.trial(trial)
    printer.rankings(diagnosis, rank(diagnosis, trials))


class _Json:
    """A line for the diagnosis, one for each trial, and one for each question's ranking."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient

    def healthy(self) -> None:
        _narrate(_nothing_to_cure(self._patient))

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        self._write(encode(Examined(**asdict(diagnosis), attempts=self._patient.attempts)))

    def trial(self, trial: Trial) -> None:
        self._write(encode(trial))

    def rankings(self, _: Diagnosis, rankings: Sequence[Ranking]) -> None:
        self._write(b"".join(map(encode, rankings)))

    def _write(self, lines: bytes) -> None:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


class _Text:
    """Each trial a line of narration, and at the end the tables."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._trials = self._done = 0
        self._outcome = "loss"
        _narrate(f"training {whom(patient)} until it is ill …")

    def healthy(self) -> None:
        click.echo(_nothing_to_cure(self._patient))

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        self._trials, self._outcome = diagnosis.trials, diagnosis.outcome
        seeds, questions = counted(len(diagnosis.seeds), "seed"), " and ".join(diagnosis.questions)
        _narrate(f"{len(diagnosis.fixes)} fixes, {seeds}, {questions}: {diagnosis.trials} trials")

    def trial(self, trial: Trial) -> None:
        self._done += 1
        found = inert(trial.error) or f"{self._outcome} {_number(trial.loss)}"
        _narrate(f"{self._done}/{self._trials}  {trial.question}  {fix_text(trial.fix)}  seed {trial.seed}: {found}")

    def rankings(self, diagnosis: Diagnosis, rankings: Sequence[Ranking]) -> None:
        click.echo(report(self._patient, diagnosis, rankings))


def whom(patient: Patient) -> str:
    """Its name; of a recording with restarts also which attempt is looked at."""
    return inert(patient.name) + (f" (the last of {patient.attempts} attempts)" if patient.attempts > 1 else "")


def report(patient: Patient, diagnosis: Diagnosis, rankings: Sequence[Ranking]) -> str:
    """What was found, and a table for each question."""
    lines = [f"{whom(patient)}, seed {diagnosis.seed}, at step {diagnosis.step}, on {inert(diagnosis.device)}"]
    lines += [f"  {short(warning)}" for warning in diagnosis.warnings] or ["  no warning is open there"]
    for ranking in rankings:
        lines += ["", *_table(diagnosis, ranking)]
    return "\n".join(lines)


_HEADINGS: dict[str, Callable[[Ranking], str]] = {
    doctor.RESCUE: lambda ranking: f"Does it rescue? In force from step {ranking.step}",
    doctor.PREVENT: lambda ranking: "Would it have prevented? In force from the first step",
}


def _table(diagnosis: Diagnosis, ranking: Ranking) -> list[str]:
    width = max(len(fix_text(row.fix)) for row in ranking.rows)
    several = len(diagnosis.seeds) > 1
    spread = f"  {'lowest–highest':<19}" if several else ""
    scored = any(row.accuracy is not None for row in ranking.rows)
    accuracy = f"{'accuracy':>8}  " if scored else ""
    lines = [
        _HEADINGS[ranking.question](ranking),
        f"  {'':>3}  {'':<{width}}  {accuracy}{diagnosis.outcome:>8}{spread}  {'span':>6}  than nothing  still open".rstrip(),
    ]
    for row in ranking.rows:
        between = f"  {f'{_number(row.low)}–{_number(row.high)}':<19}" if several else ""
        accuracy = f"{_share(row.accuracy):>8}  " if scored else ""
        span = f"{row.span:+.2f}" if row.span is not None else "–"
        verdict = row.verdict if row.fix else ""
        said = inert(row.error) or ", ".join(row.open) or "–"
        mark = "  (a random fix)" if row.random else ""
        rank = str(row.rank) if row.fix else ""
        numbers = f"{accuracy}{_number(row.loss):>8}{between}  {span:>6}"
        lines.append(f"  {rank:>3}  {fix_text(row.fix):<{width}}  {numbers}  {verdict:<12}  {said}{mark}")
    return [*lines, *_choice(ranking.rows)]


def _choice(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    if first.fix and first.verdict == "better":
        return [f"  first choice: {fix_text(first.fix)}"]
    return ["  no fix is better than nothing on every seed"]


def fix_text(fix: Fix) -> str:
    """`optimizer=adam lr=0.001`, as the command line takes it."""
    return inert(" ".join(setting(key, value) for key, value in fix.items())) or NOTHING


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float) -> str:
    return f"{value:.4g}" if value == value else "nan"


def _nothing_to_cure(patient: Patient) -> str:
    steps = "in the recording" if patient.recorded else f"in {patient.scenario.steps} steps"
    return f"{whom(patient)}: nothing to cure: no warning opened {steps}; --from STEP tries every fix all the same"


def _narrate(text: str) -> None:
    click.echo(text, err=True)
