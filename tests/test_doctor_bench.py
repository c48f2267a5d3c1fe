"""The doctor's benchmark: a ranking held against the scores in the end, and its rank correlation."""

from __future__ import annotations

import math

import msgspec
import pytest

from benchmarks.doctor.cases import Case
from benchmarks.doctor.table import markdown, result, spearman
from gradtui.diagnose.warnings import Evidence, Warning
from gradtui.lab.doctor import PREVENT, Diagnosis, Trial
from gradtui.lab.fixes import Fix

FIXES: list[Fix] = [{"activation": "selu"}, {"activation": "relu"}, {"batch_norm": "on"}]


def case(name: str = "random-1000") -> Case:
    """Three fixes: the trials like the first best, in the end the third was."""
    warning = Warning(
        code="vanishing", state="opened", step=25, severity="warning", layers=[], evidence=Evidence(brief="it", sentence="it falls")
    )
    diagnosis = Diagnosis(
        patient=name,
        seed=0,
        step=26,
        warnings=[warning],
        outcome="loss",
        seeds=[0],
        questions=[PREVENT],
        fixes=FIXES,
        trials=4,
    )
    losses = zip(({}, *FIXES), (2.3, 0.5, 2.0, 0.6), strict=True)
    trials = [Trial(question=PREVENT, fix=fix, seed=0, loss=loss) for fix, loss in losses]
    return Case(name=name, question=PREVENT, nothing=0.0, diagnosis=diagnosis, trials=trials, scores=[0.0, 0.85, 0.1, 0.95])


def test_the_first_choice_is_held_against_every_fix_and_against_a_fixed_order() -> None:
    found = result(case())
    assert found is not None
    assert (found.first, found.score, found.best, found.best_fix) == ("activation=selu", 0.85, 0.95, "batch_norm=on")
    assert found.random == pytest.approx((0.85 + 0.1 + 0.95) / 3)
    assert (found.fixed, found.fixed_any) == (0.85, 0.95)
    assert found.spearman == pytest.approx(0.5)
    assert result(Case(name="random-1001", question=PREVENT, nothing=0.9)) is None


def test_networks_that_failed_unseen_are_counted_apart_from_healthy_ones() -> None:
    cases = [case(), case("random-1003"), *(Case(name=f"random-{s}", question=PREVENT, nothing=n) for s, n in ((1004, 0.9), (1005, 0.1)))]
    text = markdown(cases)
    assert "Random networks: 4 drawn, of which 2 failed with a warning open, and 1 failed without one." in text
    (even,) = (line for line in text.splitlines() if line.startswith("| prevent, random, even seeds"))
    assert even.split("|")[2:4] == [" 1 ", " 100.0% (20.7%–100.0%), 1/1 "]


def test_rank_correlation_gives_ties_their_mean_rank() -> None:
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [1, 1, 2, 2]) == pytest.approx(0.8944, abs=1e-4)
    assert spearman([1, 2], [3, 3]) is None


def test_fixes_that_did_the_same_as_nothing_are_tied_and_what_an_order_of_them_could_be_worth_is_said() -> None:
    """Of four fixes the last but one cures and is ranked second; two of the others did nothing."""
    one = case()
    assert one.diagnosis is not None
    fix: Fix = {"skip": "plain"}
    one.diagnosis = msgspec.structs.replace(one.diagnosis, fixes=[*FIXES, fix])
    one.trials = [
        *one.trials[:2],
        msgspec.structs.replace(one.trials[2], loss=2.3),
        one.trials[3],
        Trial(question=PREVENT, fix=fix, seed=0, loss=2.3),
    ]
    one.scores = [0.0, 0.0, 0.0, 1.0, 0.0]
    found = result(one)
    assert found is not None
    assert found.spearman == pytest.approx(1 / math.sqrt(13.5))
    assert found.untied == pytest.approx(1 / math.sqrt(15))
    assert found.attainable == pytest.approx(3 / math.sqrt(15))
