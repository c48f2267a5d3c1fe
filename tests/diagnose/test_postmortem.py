"""The post-mortem: what went wrong first, what was tried and what followed, on whole, restarted and mutilated recordings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Struct

from gradtui.diagnose.postmortem import Examination
from gradtui.diagnose.report import Report
from gradtui.stream.events import End, Event, Frame, Toggle
from tests.diagnose.streams import TOGGLES, applied, deltas, frame, hello


def report(events: Iterable[Struct]) -> Report:
    examination = Examination()
    for event in events:
        assert isinstance(event, Event)
        examination.take(event)
    return examination.report()


def sick(start: int, stop: int, **more: Any) -> list[Frame]:
    return [frame(step, -3.0, **more) for step in range(start, stop, 5)]


def well(start: int, stop: int, loss: float = 0.5) -> list[Frame]:
    return [frame(step, loss=loss) for step in range(start, stop, 5)]


CURED: list[Event] = [
    hello(),
    *sick(0, 100),
    applied(100, "batch_norm", "on"),
    *well(100, 300),
    applied(300, "lr", 0.9),
    *(frame(step, loss=50.0, update_ratio=[2.0] * 5) for step in range(300, 340, 5)),
    End(reason="stopped", step=339),
]


def test_what_went_wrong_first_and_until_when() -> None:
    found = report(CURED)
    assert found.first is not None
    assert (found.first.code, found.first.since, found.first.opened, found.first.closed) == ("vanishing", 10, 25, 125)
    assert [(spell.code, spell.opened, spell.closed) for spell in found.spells] == [
        ("vanishing", 25, 125),
        ("update-too-large", 300, None),
        ("divergence", 300, None),
    ]
    assert (found.outcome, found.last_step, found.loss) == ("stopped", 339, 50.0)


def test_what_the_loss_did_is_no_effect_of_the_pace() -> None:
    assert report([hello(), *well(0, 100, loss=2.0), applied(100, "pace", 5.0), *well(100, 200)]).trials == []


def test_the_loss_of_a_watched_loop_is_the_last_that_it_logged() -> None:
    assert report([hello(), frame(0, loss=2.0), End(reason="finished", step=9, logged={"loss": 0.5})]).loss == 0.5
    assert report([hello(), frame(0, loss=2.0), End(reason="finished", step=9, logged={"eval_loss": 0.5})]).loss == 2.0


def test_a_cause_comes_before_what_it_brings_about_though_that_was_told_earlier() -> None:
    """Small updates are told after two records, vanishing after four: both held from the same frame on."""
    found = report([hello(), *(frame(step, -3.0, update_ratio=[1e-8] * 5) for step in range(0, 100, 10))])
    assert [(spell.code, spell.since) for spell in found.spells] == [("update-too-small", 20), ("vanishing", 20)]
    assert found.first is not None
    assert found.first.code == "vanishing"


def test_information_is_first_only_when_there_is_nothing_else() -> None:
    half: dict[str, Any] = {"dead": [0.6] * 4 + [None]}
    found = report([hello(), *(frame(step, **half) for step in range(0, 50, 5))])
    assert found.first is not None
    assert found.first.code == "dead-units"
    both = report([hello(), *(frame(step, -3.0, **half) for step in range(0, 50, 5))])
    assert both.first is not None
    assert both.first.code == "vanishing"
    assert report([hello(), *well(0, 50)]).first is None


def test_what_was_tried_and_what_followed() -> None:
    """The loss before is the mean of the last five; after, of the last five until the next change."""
    cure, harm = report(CURED).trials
    assert (cure.step, cure.settings, cure.verdict) == (100, {"batch_norm": "on"}, "better")
    assert [cure.loss_before, cure.loss_after] == pytest.approx([2.3, 0.5])
    assert (cure.closed, cure.opened) == (["vanishing"], [])
    assert (harm.step, harm.settings, harm.verdict) == (300, {"lr": 0.9}, "worse")
    assert harm.opened == ["update-too-large", "divergence"]
    assert harm.loss_before == pytest.approx(0.5)


def test_settings_of_one_moment_are_one_trial_and_refused_ones_none() -> None:
    events = [hello(), *well(0, 50), applied(50, "clip", "norm"), applied(50, "lr", 0.1), applied(50, "skip", "scaled", reason="no")]
    (trial,) = report([*events, *well(50, 100)]).trials
    assert trial.settings == {"clip": "norm", "lr": 0.1}
    assert trial.verdict == "same"


def test_a_loss_that_becomes_nan_is_worse_and_one_that_comes_back_better() -> None:
    events = [hello(), *well(0, 50), applied(50, "lr", 9.0), *(frame(s, loss=math.nan) for s in range(50, 80, 5)), applied(80, "lr", 0.1)]
    assert [trial.verdict for trial in report([*events, *well(80, 120)]).trials] == ["worse", "better"]


def test_losses_that_can_be_negative_are_not_compared_by_ratio() -> None:
    events = [hello(), *well(0, 50, -1.0), applied(50, "lr", 0.1), *well(50, 100, -5.0)]
    assert [trial.verdict for trial in report(events).trials] == ["same"]


def test_what_was_suggested_and_never_set() -> None:
    assert [(fix.toggle, fix.value) for fix in report(CURED).untried] == [("activation", "elu"), ("activation", "tanh"), ("skip", "scaled")]


def test_the_profiles_at_the_start_at_its_steepest_and_at_the_end() -> None:
    events = [hello(), frame(0, -1.0), frame(5, 2.5), frame(10, -2.0), frame(15, delta_rms=[math.nan] * 5), frame(20, 0.5)]
    shots = report(events).snapshots
    assert {name: shot.step for name, shot in shots.items()} == {"start": 0, "worst": 5, "end": 20}
    assert shots["worst"].spans == {"": pytest.approx(2.5)}
    assert shots["worst"].values == pytest.approx(deltas(2.5))


def test_a_restart_closes_what_is_open_and_is_a_trial() -> None:
    found = report([hello(), *sick(0, 100), hello(attempt=1), *well(0, 100)])
    assert found.attempts == 2
    assert [(spell.attempt, spell.code, spell.closed) for spell in found.spells] == [(0, "vanishing", 95)]
    (trial,) = found.trials
    assert (trial.restart, trial.attempt, trial.verdict) == (True, 1, "better")
    assert [len(curve) for curve in found.losses] == [20, 20]


def test_without_delta_the_gradient_is_shown_and_no_span_invented() -> None:
    """A loop of somebody's own that gives none."""
    found = report([hello(), *(frame(step, delta_rms=[], grad_norm=[0.1, 0.2, 0.3, 0.4, 0.5]) for step in range(0, 50, 5))])
    assert found.snapshots["end"].quantity == "gradient"
    assert found.snapshots["end"].values == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert found.snapshots["end"].spans == {}
    assert "worst" not in found.snapshots


def test_mutilated_recordings_have_a_report_too() -> None:
    assert (report([]).outcome, report([]).last_step) == ("not ended", None)
    headless = report([frame(5), frame(10, loss=None)])
    assert (headless.run, headless.last_step, headless.first) == ("", 10, None)
    crashed = report([hello(), End(reason="crashed", step=-1, error="no CUDA")])
    assert (crashed.outcome, crashed.error, crashed.snapshots) == ("crashed", "no CUDA", {})


def test_its_memory_is_bounded() -> None:
    examination = Examination()
    examination.take(hello())
    for step in range(3000):
        examination.take(applied(step, "lr", 0.01 + step % 7))
        examination.take(frame(step, update_ratio=[2.0 if step % 50 < 5 else 1e-3] * 5))
    found = examination.report()
    assert len(found.trials) == 200
    assert len(found.losses[0]) <= 500
    assert len(found.spells) <= 1000


def test_a_toggle_that_waits_for_a_restart_is_not_judged_before_it() -> None:
    waits = [*TOGGLES, Toggle(key="depth", label="depth", kind="number", value=8, live=False)]
    examination = Examination()
    before: list[Event] = [hello(toggles=waits), *(frame(i, loss=2.0) for i in range(5))]
    for event in (*before, applied(5, "depth", 3), frame(5, loss=9.0)):
        examination.take(event)
    assert examination.report().trials == []


def test_a_change_that_is_restarted_at_once_is_compared_with_what_was_before_it() -> None:
    """As is advised: change it, then restart."""
    before = [hello(), *(frame(i, loss=2.0) for i in range(6)), applied(6, "batch_norm", "on")]
    after = [hello(settings={"batch_norm": "on"}, attempt=1), *(frame(i, loss=0.1) for i in range(6))]
    trial = report([*before, *after]).trials[-1]
    assert (trial.restart, trial.loss_before, trial.verdict) == (True, 2.0, "better")


def test_weights_drawn_anew_by_the_init_that_is_in_force_are_a_change_of_their_own() -> None:
    """What follows would else be told as the doing of the change before it."""
    toggles = [*TOGGLES, Toggle(key="init", label="init", kind="choice", value="he", choices=["xavier", "he"])]
    events: list[Event] = [hello(toggles=toggles), *(frame(i) for i in range(6)), applied(6, "clip", "norm")]
    events += [
        *(frame(i) for i in range(6, 12)),
        applied(12, "init", "he"),
        applied(12, "clip", "norm"),
        *(frame(i, loss=0.1) for i in range(12, 18)),
    ]
    assert [(trial.step, trial.settings, trial.verdict) for trial in report(events).trials] == [
        (6, {"clip": "norm"}, "same"),
        (12, {"init": "he"}, "better"),
    ]
