"""The doctor: what a trial measures, how fixes are ranked, and workers that none is left of."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import msgspec
import pytest
import torch
from torch import nn

from gradtui.diagnose import warnings
from gradtui.lab import doctor, toggles, trial
from gradtui.lab.devices import choose_device, device_name
from gradtui.lab.doctor import Diagnosis, Find, Found, Plan, Task, Trial, Try
from gradtui.lab.errors import SettingError
from gradtui.lab.fixes import Fix
from gradtui.lab.patient import Patient, admit
from gradtui.lab.ranking import Row, rank
from gradtui.lab.toggles import Scheduled
from gradtui.lab.workers import Failed, WorkerLostError, Workers
from gradtui.stream.events import Hello, Value
from tests.lab.patients import DEAD, patient
from tests.lab.trainings import begin, own
from tests.processes import alive, wait_for

# -- trials ------------------------------------------------------------------------------------------------------------


def find(path: Path, who: Patient, until: int | None = None) -> Found:
    found = trial.do(Find(patient=who, seed=who.seed, until=until, path=str(path)))
    assert isinstance(found, Found)
    return found


def attempt(who: Patient, question: str = doctor.RESCUE, path: Path | None = None, steps: int = 30, **fix: Value) -> Trial:
    found = trial.do(Try(patient=who, question=question, fix=dict(fix), seed=who.seed, steps=steps, path=str(path) if path else ""))
    assert isinstance(found, Trial)
    return found


def losses(who: Patient, changes: dict[int, dict[str, Value]], steps: int) -> list[float]:
    """Of a plain training, with every step measured."""
    session = begin(who.scenario, who.seed)
    found = []
    for step in range(steps):
        for key, value in changes.get(step, {}).items():
            session.set(key, value)
        measured = session.take_step(measure=True)
        assert measured is not None
        found.append(measured.loss)
    return found


def test_nothing_from_the_checkpoint_is_the_training_that_goes_on(tmp_path: Path) -> None:
    who = patient("chaotic-tanh")
    assert find(tmp_path / "kept", who, until=12).step == 12
    nothing = attempt(who, path=tmp_path / "kept", steps=30)
    assert nothing.loss == fmean(losses(who, {}, 42)[-20:])


def test_a_rescue_is_the_fix_set_at_that_step(tmp_path: Path) -> None:
    who = patient("chaotic-tanh")
    find(tmp_path / "kept", who, until=12)
    fixed = attempt(who, path=tmp_path / "kept", steps=30, init="orthogonal", lr=0.01)
    assert fixed.loss == fmean(losses(who, {12: {"init": "orthogonal", "lr": 0.01}}, 42)[-20:])
    assert attempt(who, path=tmp_path / "kept", steps=30).loss != fixed.loss


def test_prevention_is_the_fix_from_the_start_and_nothing_undoes_it() -> None:
    scheduled = [Scheduled(5, "lr", 5.0), Scheduled(6, "clip", "norm")]
    who = patient("chaotic-tanh", lr=0.01)
    fixed = attempt(Patient(name="it", scenario=who.scenario, settings=who.settings, schedule=scheduled), doctor.PREVENT, lr=0.02)
    assert fixed.loss == fmean(losses(who, {6: {"clip": "norm"}}, 30)[-20:])  # 0.02 is the preset's own


def test_a_patient_is_kept_where_its_first_warning_opened(tmp_path: Path) -> None:
    (tmp_path / "dead.toml").write_text(DEAD)
    found = find(tmp_path / "kept", admit(str(tmp_path / "dead.toml")))
    assert found.step == 5
    assert [warning.code for warning in found.open] == ["dead-units"]
    assert found.open[0].severity == "critical"


def test_a_trial_tells_the_profile_and_the_warnings_still_open(tmp_path: Path) -> None:
    who = patient("deep-sigmoid")
    find(tmp_path / "kept", who)
    nothing, cured = attempt(who, path=tmp_path / "kept", steps=60), attempt(who, path=tmp_path / "kept", steps=60, batch_norm="on")
    assert nothing.span is not None
    assert cured.span is not None
    assert nothing.span < -3 < -1 < cured.span
    assert "vanishing" in nothing.open
    assert cured.open == []
    assert cured.loss < 1 < nothing.loss
    assert nothing.metrics["accuracy"] < 0.3 < cured.metrics["accuracy"]


def test_a_loss_that_is_no_number_anywhere_at_the_end_is_none() -> None:
    assert math.isnan(attempt(patient("exploding-relu"), doctor.PREVENT, steps=10).loss)


def test_a_gan_is_judged_by_how_far_its_points_are_off() -> None:
    found = attempt(patient("wgan"), doctor.PREVENT, steps=2)
    assert found.loss > 0.5  # the critic's loss is about 0


def plain() -> nn.Module:
    """A network of somebody's own without any activation."""
    return nn.Linear(64, 10)


def test_what_a_network_cannot_do_is_refused() -> None:
    mine = own("tests.lab.test_doctor:plain")
    who = Patient(name="mine", scenario=mine, settings=toggles.initial(mine))
    assert attempt(who, doctor.PREVENT, steps=3, lr=0.1).loss > 0
    with pytest.raises(SettingError, match="no activation modules"):
        attempt(who, doctor.PREVENT, steps=3, activation="tanh")


def test_a_task_names_the_device_that_its_session_is_on(tmp_path: Path) -> None:
    """Where it asks for a GPU that is not there, both kinds of task say so; `auto` takes what there is."""
    who = patient("chaotic-tanh")
    path = str(tmp_path / "kept")
    there = Found(step=0, settings={}, open=[])
    for device in ("cpu", "auto"):
        there = trial.do(Find(patient=who, seed=0, until=2, path=path, device=device))  # type: ignore[assignment]
        course = trial.begun(Try(patient=who, question=doctor.RESCUE, fix={}, seed=0, steps=1, path=path, device=device))
        hello = course.events[0]
        assert isinstance(hello, Hello)
        assert hello.device == there.device
    assert there.device == ("cpu" if not torch.cuda.is_available() else device_name(choose_device("cuda")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    who = patient("chaotic-tanh")
    find(tmp_path / "kept", who, until=2)
    tasks: list[Task] = [
        Find(patient=who, seed=0, until=2, path=str(tmp_path / "other"), device="cuda"),
        Try(patient=who, question=doctor.PREVENT, fix={}, seed=0, steps=1, device="cuda"),
        Try(patient=who, question=doctor.RESCUE, fix={}, seed=0, steps=1, path=str(tmp_path / "kept"), device="cuda"),
    ]
    for task in tasks:
        with pytest.raises(SettingError, match="device is cuda, and torch finds no CUDA device"):
            trial.do(task)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_doctor_on_a_gpu(tmp_path: Path) -> None:
    who, plan = patient("chaotic-tanh"), Plan(seeds=2, steps=20, start=10, device="cuda")
    with Workers(2) as workers:
        diagnosis = doctor.examine(workers, who, plan, tmp_path)
        assert diagnosis is not None
        assert diagnosis.device.startswith("cuda:0 (")
        found = list(doctor.treat(workers, who, plan, diagnosis, tmp_path))
    assert {trial.error for trial in found} == {""}
    here = attempt(who, doctor.PREVENT, steps=20)
    assert next(trial for trial in found if trial.question == doctor.PREVENT).loss == pytest.approx(here.loss, rel=0.05)


# -- the ranking -------------------------------------------------------------------------------------------------------

FIXES: list[Fix] = [{"lr": 1.0}, {"lr": 2.0}, {"lr": 3.0}]


def ranked(**losses: list[Trial]) -> list[Row]:
    """The rows of one question; `nothing`, `a`, `b` and `c` are the fixes."""
    order: dict[str, Fix] = {"nothing": {}, "a": FIXES[0], "b": FIXES[1], "c": FIXES[2]}
    diagnosis = Diagnosis(patient="it", seed=0, step=9, warnings=[], outcome="loss", seeds=[0], questions=["rescue"], fixes=FIXES, trials=4)
    trials = [
        msgspec.structs.replace(one, question="rescue", fix=order[name], seed=seed)
        for name, of_fix in losses.items()
        for seed, one in enumerate(of_fix)
    ]
    (ranking,) = rank(diagnosis, trials)
    assert ranking.step == 9
    return ranking.rows


def test_what_did_the_same_as_nothing_shares_a_rank_and_the_others_keep_their_places() -> None:
    """Catches places given to what chance alone has put in an order."""
    rows = ranked(nothing=[result(2.0)], a=[result(0.5)], b=[result(2.001)], c=[result(3.0)])
    assert [(row.rank, row.verdict) for row in rows] == [(1, "better"), (2, "same"), (2, "same"), (4, "worse")]


def result(loss: float, span: float | None = -1.0, open: list[str] | None = None, error: str = "") -> Trial:
    return Trial(question="", fix={}, seed=0, loss=loss, span=span, open=open or [], error=error)


def test_the_smallest_loss_comes_first_and_what_is_worse_than_nothing_last() -> None:
    rows = ranked(nothing=[result(2.0)], a=[result(3.0)], b=[result(0.5)], c=[result(2.001)])
    assert [(row.fix, row.verdict) for row in rows] == [
        (FIXES[1], "better"),
        ({}, "same"),
        (FIXES[2], "same"),
        (FIXES[0], "worse"),
    ]


def scored(accuracy: float, loss: float) -> Trial:
    return Trial(question="", fix={}, seed=0, loss=loss, metrics={"accuracy": accuracy})


def test_the_accuracy_comes_before_the_loss_but_not_before_its_being_a_number() -> None:
    rows = ranked(nothing=[scored(0.5, 1.0)], a=[scored(0.6, 1.5)], b=[scored(0.4, 0.5)], c=[scored(0.9, math.nan)])
    assert [(row.fix, row.verdict) for row in rows] == [(FIXES[0], "better"), ({}, "same"), (FIXES[1], "worse"), (FIXES[2], "worse")]
    assert [row.accuracy for row in rows[:3]] == [0.6, 0.5, 0.4]


def test_where_accuracies_are_alike_the_loss_decides() -> None:
    rows = ranked(nothing=[scored(0.5, 1.0)], a=[scored(0.5, 0.9)], b=[scored(0.5, 1.1)], c=[scored(0.503, 1.1)])
    verdicts = {str(row.fix): row.verdict for row in rows}
    assert [verdicts[str(fix)] for fix in FIXES] == ["better", "worse", "worse"]
    assert [row.verdict for row in rows] == ["better", "same", "worse", "worse"], "nothing worse stands above nothing"
    assert [row.rank for row in rows] == [1, 2, 3, 4]


def test_what_is_no_number_comes_after_every_loss_and_what_was_refused_after_that() -> None:
    rows = ranked(nothing=[result(2.0)], a=[result(math.nan)], b=[result(1e30)], c=[result(math.nan, error="no")])
    assert [row.fix for row in rows] == [{}, FIXES[1], FIXES[0], FIXES[2]]
    assert [row.verdict for row in rows] == ["same", "worse", "worse", "refused"]


def test_a_fix_that_is_a_number_is_better_than_nothing_that_is_none() -> None:
    rows = ranked(nothing=[result(math.nan)], a=[result(50.0)], b=[result(math.nan)])
    assert [(row.fix, row.verdict) for row in rows] == [(FIXES[0], "better"), ({}, "same"), (FIXES[1], "same")]


def test_where_losses_are_alike_open_warnings_decide_and_then_the_profile() -> None:
    rows = ranked(
        nothing=[result(2.0004, -6.0, ["vanishing"])],
        a=[result(2.0003, 0.1, ["vanishing"])],
        b=[result(2.0002, 4.0)],
        c=[result(2.0001, None)],
    )
    assert [row.fix for row in rows] == [FIXES[1], FIXES[2], FIXES[0], {}]


def test_seeds_that_disagree_are_said_to() -> None:
    rows = ranked(
        nothing=[result(2.0), result(2.0)], a=[result(1.0), result(2.5)], b=[result(1.0), result(math.nan)], c=[result(1.5), result(1.9)]
    )
    by_fix = {str(row.fix): row for row in rows}
    assert by_fix[str(FIXES[0])].verdict == by_fix[str(FIXES[1])].verdict == "mixed"
    best = rows[0]
    assert (best.fix, best.verdict, best.loss, best.low, best.high) == (FIXES[2], "better", 1.7, 1.5, 1.9)
    assert math.isnan(by_fix[str(FIXES[1])].loss)
    assert by_fix[str(FIXES[1])].low == 1.0


def test_one_fix_is_what_chance_picks_and_it_is_always_the_same() -> None:
    trials = {"nothing": [result(1.0)], "a": [result(1.0)], "b": [result(1.0)], "c": [result(1.0)]}
    picked = [row.fix for row in ranked(**trials) if row.random]
    assert len(picked) == 1
    assert picked[0]
    assert picked == [row.fix for row in ranked(**trials) if row.random]


# -- workers -----------------------------------------------------------------------------------------------------------


def test_workers_answer_in_the_order_of_the_tasks_and_say_what_failed(tmp_path: Path) -> None:
    who = patient()
    tasks: list[Task] = [Try(patient=who, question="prevent", fix={}, seed=seed, steps=steps) for seed, steps in ((0, 120), (1, 1), (2, 1))]
    wrong = Try(patient=who, question="rescue", fix={}, seed=0, steps=1, path=str(tmp_path / "nothing there"))
    with Workers(2) as workers:
        pids = [process.pid or 0 for process, _ in workers._workers]
        found = list(workers.map([*tasks, wrong]))
        assert all(map(alive, pids))
    assert [done.seed for done in found[:3] if isinstance(done, Trial)] == [0, 1, 2]
    assert isinstance(found[3], Failed)
    assert "nothing there" in found[3].error
    assert not any(map(alive, pids))


def test_no_more_workers_than_were_asked_for_take_tasks_and_always_the_same_ones() -> None:
    tasks: list[Task] = [Try(patient=patient(), question="prevent", fix={}, seed=seed, steps=1) for seed in range(3)]
    with Workers(2) as workers:
        os.kill(workers._workers[1][0].pid or 0, signal.SIGKILL)  # whoever asks it is told
        assert len(list(workers.map(tasks, at_most=1))) == 3
        with pytest.raises(WorkerLostError):
            list(workers.map(tasks))


def test_a_worker_that_is_killed_is_missed() -> None:
    with Workers(1) as workers:
        results = workers.map([Try(patient=patient(), question="prevent", fix={}, seed=0, steps=10**7)])
        pid = workers._workers[0][0].pid or 0
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerLostError, match="signal 9"):
            next(results)
        wait_for(lambda: not alive(pid))


def test_every_seed_is_kept_at_the_same_step_and_the_healthy_are_let_go(tmp_path: Path) -> None:
    (tmp_path / "dead.toml").write_text(DEAD)
    (tmp_path / "well.toml").write_text(DEAD.replace("bias = -1.5", "bias = 0.0"))
    plan = Plan(seeds=2, steps=3, start=None)
    with Workers(1) as workers:
        assert doctor.examine(workers, admit(str(tmp_path / "well.toml")), plan, tmp_path) is None
        found = doctor.examine(workers, admit(str(tmp_path / "dead.toml")), plan, tmp_path)
        assert found is not None
        assert (found.step, found.seeds, found.questions) == (5, [5, 6], ["rescue", "prevent"])
        assert found.fixes[0] == {"batch_norm": "on"}  # what the warning says to try
        assert {path.name for path in tmp_path.glob("seed-*")} == {"seed-5", "seed-6"}
        forced = doctor.examine(workers, admit(str(tmp_path / "well.toml")), Plan(seeds=1, steps=3, start=0), tmp_path)
        assert forced is not None
        assert forced.questions == ["prevent"]


class Asked:
    """Does nothing, and keeps what it was asked for; every training is on `device`."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.tasks: list[Task] = []
        self.at_most: list[int | None] = []

    def map(self, tasks: Sequence[Task], at_most: int | None = None) -> Iterator[Found | Trial | Failed]:
        self.tasks += tasks
        self.at_most.append(at_most)
        for task in tasks:
            if isinstance(task, Find):
                yield Found(step=9, settings=task.patient.settings, open=[], device=self.device)
            else:
                yield Trial(question=task.question, fix=task.fix, seed=task.seed)


@pytest.mark.parametrize(("device", "at_most"), [("cpu", None), ("cuda:0 (NVIDIA H100)", doctor.ON_ONE_GPU)])
def test_every_task_carries_the_device_and_one_gpu_is_shared_by_a_few(tmp_path: Path, device: str, at_most: int | None) -> None:
    asked, who, plan = Asked(device), patient(), Plan(seeds=3, steps=3, start=9, device="auto")
    diagnosis = doctor.examine(asked, who, plan, tmp_path)
    assert diagnosis is not None
    assert diagnosis.device == device
    list(doctor.treat(asked, who, plan, diagnosis, tmp_path))
    assert {task.device for task in asked.tasks} == {"auto"}
    assert asked.at_most == [1, at_most, at_most]


def test_the_illness_that_a_recording_showed_is_named_though_the_doctors_own_frames_do_not_show_it(tmp_path: Path) -> None:
    tries = [warnings.Try(toggle="batch_norm", value="on", why="")]
    evidence = warnings.Evidence(brief="", sentence="")
    seen = warnings.Warning(code="vanishing", state="opened", step=8, severity="warning", layers=[], evidence=evidence, try_=tries)
    who = msgspec.structs.replace(patient(), recorded=True, illness=seen)
    diagnosis = doctor.examine(Asked("cpu"), who, Plan(seeds=1, steps=3, start=None), tmp_path)
    assert diagnosis is not None
    assert (diagnosis.warnings, diagnosis.fixes[0]) == ([seen], {"batch_norm": "on"})


def test_what_a_recording_did_after_the_warning_is_not_done_again(tmp_path: Path) -> None:
    plain = patient("chaotic-tanh")
    treated = Patient(
        name="it", scenario=plain.scenario, settings=plain.settings, schedule=[Scheduled(1, "lr", 0.03), Scheduled(4, "init", "orthogonal")]
    )
    plan = Plan(seeds=1, steps=8, start=3)
    with Workers(1) as workers:
        diagnosis = doctor.examine(workers, treated, plan, tmp_path)
        assert diagnosis is not None
        nothing = next(doctor.treat(workers, treated, plan, diagnosis, tmp_path))
    assert nothing.loss == fmean(losses(plain, {1: {"lr": 0.03}}, 11)[-8:])
