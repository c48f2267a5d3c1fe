"""The first NaN: which layer, and which pass made it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import short
from tests.diagnose.streams import edges, frame, hello, started, warnings_of

NAN = math.nan
INF = math.inf


def opened(**fields: Any) -> Warning:
    """The warning that the second frame of a run opens, given what it holds."""
    found = warnings_of(started(), [frame(0), frame(5, **fields)], "non-finite")
    assert [(w.step, w.state) for w in found] == [(5, "opened")]
    return found[0]


def test_forward_names_the_first_layer_in_forward_order() -> None:
    """Catches taking the gradient's row, or the last row: after a NaN forward all gradients are NaN too."""
    everything = {"delta_rms": [NAN] * 5, "grad_norm": [NAN] * 5, "grad_nonfinite": [9.0] * 5}
    warning = opened(loss=NAN, activation_mean=[0.0, 0.0, INF, NAN, NAN], activation_std=[1.0, 1.0, NAN, NAN, NAN], **everything)
    assert warning.layers == ["hidden.2"]
    assert warning.severity == "critical"
    assert warning.evidence.sentence.startswith("forward: the output of hidden.2 is not finite at step 5")


def test_backward_names_the_last_layer_in_forward_order() -> None:
    """The first that the backward pass reaches. Catches naming row 0."""
    warning = opened(loss=2.3, delta_rms=[NAN, INF, INF, 1.0, 1.0], grad_norm=[NAN, INF, INF, 1.0, 1.0])
    assert warning.layers == ["hidden.2"]
    assert warning.evidence.sentence.startswith("backward: the gradient of hidden.2 is not finite at step 5")


def test_the_loss_alone_overflows_in_the_loss() -> None:
    warning = opened(loss=INF, delta_rms=[NAN] * 5)
    assert warning.layers == []
    assert "overflows in the loss itself" in warning.evidence.sentence


def test_without_activations_the_pass_is_known_and_the_layer_is_not() -> None:
    warning = opened(loss=NAN, activation_mean=[], activation_std=[], delta_rms=[])
    assert warning.layers == []
    assert "not measured" in warning.evidence.sentence


@pytest.mark.parametrize("field", ["grad_norm", "grad_rms", "grad_max", "delta_rms"])
def test_one_non_finite_number_in_any_gradient_is_found(field: str) -> None:
    """Catches a test by comparison, which NaN passes, and a field that is not looked at."""
    for bad in (NAN, INF):
        assert opened(**{field: [1.0, bad, 1.0, None, 1.0]}).layers == ["hidden.1"]


def test_a_count_of_non_finite_entries_is_enough() -> None:
    assert opened(grad_nonfinite=[0.0, 3.0, 0.0, None, 0.0]).layers == ["hidden.1"]


def test_weights_that_an_update_broke() -> None:
    warning = opened(weight_norm=[8.0, INF, 8.0, 8.0, 8.0])
    assert warning.layers == ["hidden.1"]
    assert warning.evidence.sentence.startswith("update: the weights of hidden.1")


def test_the_whole_gradients_norm_counts() -> None:
    assert "norm is inf" in opened(total_norm=INF).evidence.sentence
    assert "norm is nan" in opened(clipped_norm=NAN).evidence.sentence


def test_opposite_infinities_and_huge_numbers_are_told_apart() -> None:
    """The quick look at the sum must neither miss inf - inf nor take an overflowing sum of finite numbers for one."""
    opened(activation_mean=[INF, -INF, 0.0, 0.0, 0.0])
    state = started()
    assert edges(state, [frame(5, weight_norm=[1.7e308] * 5)]) == []


def test_a_spike_between_two_frames_is_told_but_has_done_no_damage() -> None:
    """Interval extremes catch a step that was skipped or clamped; everything is finite again."""
    warning = opened(grad_norm_max=[1.0, INF, 1.0, 1.0, 1.0])
    assert (warning.severity, warning.layers) == ("warning", ["hidden.1"])
    state = started()
    state.apply(frame(0, grad_norm_max=[INF] * 5))
    assert edges(state, [frame(5, loss=NAN)]) == [(5, "non-finite", "escalated", "critical")]


def test_it_is_latched_until_a_restart() -> None:
    """Catches closing when frames look finite again."""
    state = started()
    state.apply(frame(0, loss=NAN))
    assert edges(state, [frame(5 + i) for i in range(100)]) == []
    assert [w.state for w in state.apply(hello())] == ["closed"]
    assert state.open == {}
    assert edges(state, [frame(0)]) == []


def test_what_nan_leaves_behind_opens_nothing_else() -> None:
    """Comparisons with NaN are false, so every ReLU looks dead, and weights that become infinite move by infinitely much."""
    nan: list[float | None] = [math.nan] * 5
    garbage: dict[str, Any] = {"dead": [1.0] * 5, "saturated": [1.0] * 5, "update_ratio": [math.inf] * 5, "effective_units": [1.0] * 5}
    frames = [frame(0), *(frame(10 * i, loss=math.nan, delta_rms=[1e-9, *nan[1:]], weight_norm=nan, **garbage) for i in range(1, 9))]
    assert edges(started(precision="fp16"), frames) == [(10, "non-finite", "opened", "critical")]


def test_a_rule_goes_on_when_the_numbers_come_back() -> None:
    """One bad batch that the loop leaves out is no reason to be blind for ever; its own shares are not kept either."""
    dead: list[float | None] = [1.0] * 4 + [None]
    frames = [
        frame(0),
        frame(10, loss=math.nan, dead=dead),
        *(frame(20 + 10 * i, dead=dead if i > 4 else [0.1] * 4 + [None]) for i in range(9)),
    ]
    assert edges(started(), frames) == [(10, "non-finite", "opened", "critical"), (100, "dead-units", "opened", "critical")]


def test_its_heading_reads_like_its_code() -> None:
    assert short(warnings_of(started(), [frame(0, loss=math.nan)], "non-finite")[0]).startswith("NON-FINITE: forward: the loss is nan")
