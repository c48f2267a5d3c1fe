"""Divergence, plateau, and clipping that has become the learning rate."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Frame, Toggle, Value
from tests.diagnose.streams import TOGGLES, applied, edges, frame, hello, layers, started, warnings_of


def losses(values: list[float], every: int = 5) -> list[Frame]:
    return [frame(i * every, loss=value) for i, value in enumerate(values)]


def on(data: str, **more: Any) -> RunState:
    state = RunState()
    state.apply(hello(scenario={"data": data, "options": more}))
    return state


def test_divergence_is_three_times_the_lowest_mean_and_one_and_a_half_times_the_first_loss() -> None:
    """Means of five; catches either half of the condition left out, and the newest mean counted as past."""
    assert edges(started(), losses([1.0] * 5 + [4.0] * 10)) == [(40, "divergence", "opened", "critical")]
    # means: 1 1.6 2.2 2.8 3.4: over 3 at the ninth
    assert edges(started(), losses([1.0] * 5 + [3.0] * 20)) == []
    assert edges(started(), losses([10.0] + [9.0] * 5 + [14.9] * 40)) == []
    assert edges(started(), losses([5.0] * 6 + [4.9] * 5 + [15.1] * 5)) == [(75, "divergence", "opened", "critical")]


def test_a_loss_that_gives_back_half_of_what_it_gained_is_information_a_warning_if_it_lasts_and_critical_when_it_runs_away() -> None:
    """Many get over it. Catches a share of the loss in place of one of the gain, and the lowest loss in place of the lowest mean."""
    assert edges(started(), losses([10.0] + [2.0] * 5 + [6.0] * 4)) == []
    assert edges(started(), losses([10.0] + [2.0] * 5 + [6.0] * 20)) == []
    found = edges(started(), losses([10.0] + [2.0] * 5 + [6.1] * 20 + [15.1] * 5))
    assert found == [
        (50, "divergence", "opened", "information"),
        (85, "divergence", "escalated", "warning"),
        (150, "divergence", "escalated", "critical"),
    ]
    warning = warnings_of(started(), losses([10.0] + [2.0] * 5 + [6.1] * 20), "divergence")[0]
    assert "given back 51% of what it had gained (6.1 after 2, means of five, and 10 at first" in warning.evidence.sentence
    assert warning.try_[0].toggle == "lr"


def test_what_was_hardly_gained_cannot_be_lost_and_two_networks_win_by_turns() -> None:
    assert edges(started(), losses([10.0] + [7.1] * 5 + [10.0] * 20)) == []
    assert [e[2] for e in edges(started(), losses([10.0] + [6.9] * 5 + [10.0] * 20))] == ["opened", "escalated"]
    gan = [*layers(2, "critic"), *layers(1, "generator")]
    assert edges(started(gan), [frame(5 * i, loss=loss) for i, loss in enumerate([10.0] + [2.0] * 5 + [8.0] * 20)]) == []


def test_a_relapse_closes_when_three_quarters_of_the_gain_are_there_again() -> None:
    assert [e[2] for e in edges(started(), losses([10.0] + [2.0] * 5 + [7.0] * 5 + [4.1] * 30))] == ["opened"]
    assert [e[2] for e in edges(started(), losses([10.0] + [2.0] * 5 + [7.0] * 5 + [4.0] * 30))] == ["opened", "closed"]


def test_divergence_closes_when_the_loss_is_back_under_its_first() -> None:
    found = edges(started(), losses([2.0] * 5 + [9.0] * 5 + [2.0] * 20))
    assert [e[2] for e in found] == ["opened", "closed"]
    # the mean of five is 2 again at record 14, the fifth such record is 18
    assert found[1][0] == 90


def test_a_loss_that_can_be_negative_has_no_ratio() -> None:
    assert edges(started(), losses([-1.0] * 10 + [-30.0] * 5 + [5.0] * 10)) == []


def test_a_plateau_is_information_at_a_hundred_steps_and_critical_at_two_hundred() -> None:
    trivial = math.log(10)
    assert edges(on("digits"), losses([0.95 * trivial + 1e-9] * 50)) == [
        (100, "plateau", "opened", "information"),
        (200, "plateau", "escalated", "critical"),
    ]
    assert edges(on("digits"), losses([0.949 * trivial] * 40)) == []


def test_a_plateau_of_before_a_change_is_none_of_what_was_changed() -> None:
    """Catches a cure at whose very step the plateau becomes critical, and one that is never judged again."""
    state = on("digits")
    found = edges(state, losses([2.3] * 30))
    state.apply(applied(150, "activation", "relu"))
    found += edges(state, [frame(step, loss=2.3) for step in range(150, 400, 5)])
    assert [edge for edge in found if edge[1] == "plateau"] == [
        (100, "plateau", "opened", "information"),
        (350, "plateau", "escalated", "critical"),
    ]


def test_a_plateau_closes_under_nine_tenths() -> None:
    trivial = math.log(4)
    found = edges(on("first_symbol"), losses([trivial] * 31 + [0.9 * trivial - 1e-6] * 10 + [0.89 * 0.99**i * trivial for i in range(30)]))
    assert [e[2] for e in found] == ["opened", "closed"]
    # the window of 50 steps holds ten frames: .9 is passed with the tenth of the lower ones (step 200), twice more closes it
    assert found[1][0] == 210


def test_a_loss_well_under_a_constant_guesss_that_falls_no_further_is_a_plateau() -> None:
    """Means of fifty steps, 150 apart: from step 200 on, three frames in a row. Catches either line left out."""
    trivial = math.log(2)

    def found(share: float, fall: float, frames: int = 60) -> list[tuple[int, str, str, str]]:
        """A loss that falls by `fall` in 150 steps."""
        return edges(on("spirals"), losses([share * trivial * (1 - fall) ** (i / 30) for i in range(frames)]))

    assert found(0.9, 0.04) == [(210, "plateau", "opened", "warning")]
    assert found(0.9, 0.06) == []
    assert found(0.69, 0.0) == []
    (warning,) = warnings_of(on("spirals"), losses([0.8 * trivial] * 60), "plateau")
    assert "the loss is 80% of a constant guess's and falls no further" in warning.evidence.sentence
    assert "0.0% less than 150 steps ago, threshold 5%" in warning.evidence.sentence
    _, closed = warnings_of(on("spirals"), losses([0.8 * trivial] * 60 + [0.8 * trivial * 0.98**i for i in range(60)]), "plateau")
    assert closed.state == "closed"
    assert closed.evidence.sentence.endswith("of a constant guess's (14% less than 150 steps ago; closes at 10%)")
    _, closed = warnings_of(on("spirals"), losses([0.8 * trivial] * 60 + [0.2 * trivial] * 60), "plateau")
    assert closed.evidence.sentence.endswith("of a constant guess's (closes under 60%)")


def test_frames_far_apart_are_enough_to_see_that_a_loss_falls_no_further() -> None:
    assert [e[2:] for e in edges(on("spirals"), losses([0.8 * math.log(2)] * 20, every=60))] == [("opened", "warning")]


def test_a_scaled_loss_has_a_scaled_plateau() -> None:
    scale = 2.0**-18
    assert edges(on("digits", loss_factor=scale), losses([scale * math.log(10)] * 25))[0][:2] == (100, "plateau")
    assert edges(on("digits", loss_factor="broken"), losses([math.log(10)] * 25)) == []


def test_without_known_classes_there_is_no_constant_guess_to_compare_with() -> None:
    assert edges(on("mine:data"), losses([math.log(10)] * 50)) == []


def test_a_plateau_names_its_cause_or_says_that_the_gradients_are_healthy() -> None:
    flat = [frame(5 * i, loss=math.log(10)) for i in range(25)]
    warning = warnings_of(on("digits"), flat, "plateau")[0]
    assert "the gradients look healthy, so they are not the reason" in warning.evidence.sentence
    assert warning.try_ == []
    blind = [frame(5 * i, loss=math.log(10), delta_rms=[]) for i in range(25)]
    sentence = warnings_of(on("digits"), blind, "plateau")[0].evidence.sentence
    assert "δ was not measured, so the gradients may be it" in sentence
    assert "healthy" not in sentence
    vanished = [frame(5 * i, -4.0, loss=math.log(10)) for i in range(25)]
    warning = warnings_of(on("digits"), vanished, "plateau")[0]
    assert "; see vanishing" in warning.evidence.sentence
    assert warning.try_[0].toggle == "batch_norm"
    sinking = [frame(5 * i, -4.0 if i > 18 else 0.0, loss=math.log(10)) for i in range(25)]
    warning = warnings_of(on("digits"), sinking, "plateau")[0]
    assert warning.evidence.sentence.endswith("no warning names a cause yet, but δ falls by decades on its way back to the first layers")
    assert warning.try_[0].toggle == "batch_norm"


def clipped(coefficient: float, count: int, every: int = 10, start: int = 0) -> list[Frame]:
    return [frame(start + every * i, total_norm=1.0, clipped_norm=coefficient) for i in range(count)]


def test_clipping_that_leaves_under_a_hundredth_has_become_the_learning_rate() -> None:
    assert edges(started(clip="norm"), clipped(0.009, 40)) == [
        (100, "clipping-too-low", "opened", "information"),
        (300, "clipping-too-low", "escalated", "warning"),
    ]
    assert edges(started(clip="norm"), clipped(0.01, 60)) == []
    sentence = warnings_of(started(clip="norm"), clipped(0.009, 40, start=30), "clipping-too-low")[0].evidence.sentence
    assert "since step 30:" in sentence, "it has held since then, not since it is sure"


@pytest.mark.parametrize(
    ("optimizers", "warned"), [(["Adam"], False), (["AdamW", "RMSprop"], False), (["Adam", "SGD"], True), (["SGD"], True), (["Mine"], True)]
)
def test_an_adaptive_optimizer_takes_a_constant_factor_out_again(optimizers: list[str], warned: bool) -> None:
    """Networks clipped to a hundredth learned under Adam. Catches one adaptive optimizer of two taken for both."""
    state = RunState()
    state.apply(hello(scenario={"optimizers": optimizers}, settings={"clip": "norm"}))
    assert bool(edges(state, clipped(0.001, 40))) == warned
    for name in ("adam", "sgd"):
        toggle = msgspec.structs.replace(TOGGLES[0], key="optimizer", value=name, choices=["sgd", "adam"])
        state = RunState()
        state.apply(hello(toggles=[*TOGGLES, toggle], settings={"clip": "norm"}))
        assert bool(edges(state, clipped(0.001, 40))) == (name == "sgd")


def test_always_clipping_says_nothing_by_itself() -> None:
    """It rescued exploding runs; catches a rule on the share of clipped steps alone, or on the coefficient alone."""
    assert edges(started(clip="norm"), clipped(0.5, 60)) == []
    some = [f for i in range(60) for f in clipped(0.001 if i % 10 else 1.0, 1, start=10 * i)]
    assert edges(started(clip="norm"), some) == []


def test_clipping_that_has_become_the_learning_rate_mitigates_nothing_and_is_the_cause_of_a_plateau() -> None:
    trivial = math.log(10)
    state = RunState()
    state.apply(hello(scenario={"data": "digits"}, settings={"clip": "norm"}))
    frames = [frame(5 * i, 2.5, loss=trivial, total_norm=1.0, clipped_norm=0.001) for i in range(60)]
    found = [w for f in frames for w in state.apply(f)]
    assert [(w.code, w.state) for w in found if w.step >= 100][:2] == [("clipping-too-low", "opened"), ("plateau", "opened")]
    assert "see clipping-too-low, exploding" in state.open["plateau"].evidence.sentence
    assert [t.toggle for t in state.open["plateau"].try_] == ["clip"]
    assert state.open["exploding"].mitigated == ""


def test_clipping_counts_from_when_it_was_set_and_ends_when_it_is_off() -> None:
    state = started(clip="norm")
    edges(state, clipped(0.001, 9))
    state.apply(applied(90, "clip", "value"))
    assert edges(state, clipped(0.001, 12, start=90)) == [(190, "clipping-too-low", "opened", "information")]
    state.apply(applied(210, "clip", "off"))
    assert [e[2] for e in edges(state, clipped(1.0, 5, start=210))] == ["closed"]


def test_frames_far_apart_are_enough_for_clipping() -> None:
    """At ten frames a second there are fewer than ten of them in 300 steps."""
    assert [e[0] for e in edges(started(clip="norm"), clipped(0.001, 40, every=80))] == [720]


@pytest.mark.parametrize("coefficient", [math.nan, math.inf])
def test_norms_that_are_not_finite_are_not_clipping(coefficient: float) -> None:
    found = edges(started(clip="norm"), clipped(coefficient, 60))
    assert {e[1] for e in found} == {"non-finite"}


def test_a_threshold_ten_times_as_high_is_the_first_thing_to_try() -> None:
    toggles = [*TOGGLES, TOGGLES[-1].__class__(key="clip_threshold", label="clip at", kind="number", value=1.0)]
    state = RunState()
    state.apply(hello(toggles=toggles, settings={"clip": "norm"}))
    warning = warnings_of(state, clipped(0.001, 40), "clipping-too-low")[0]
    assert [(t.toggle, t.value) for t in warning.try_] == [("clip_threshold", 10.0), ("clip", "off")]


@pytest.mark.parametrize(
    ("left", "tried"),
    [(0.005, [("clip_threshold", 10.0), ("clip", "off")]), (1.5e-5, [("clip", "off"), ("clip_threshold", 1000.0)])],
)
def test_a_threshold_is_raised_by_as_much_as_it_takes(left: float, tried: list[tuple[str, Value]]) -> None:
    """Catches ten times as much where that leaves a thousandth still."""
    threshold = Toggle(key="clip_threshold", label="threshold", kind="number", value=1.0, minimum=0.0, maximum=1e6)
    state = RunState()
    state.apply(hello(settings={"clip": "norm"}, toggles=[*TOGGLES, threshold]))
    (warning, *_) = warnings_of(state, clipped(left, 40), "clipping-too-low")
    assert [(fix.toggle, fix.value) for fix in warning.try_] == tried


def test_losses_whose_sum_no_float_holds_have_a_mean() -> None:
    state = started()
    edges(state, losses([1.7e308] * 60))
    assert state.frame is not None
