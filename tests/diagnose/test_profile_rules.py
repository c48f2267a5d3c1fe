"""Vanishing and exploding: at which step they open and close, on either side of each threshold."""

from __future__ import annotations

import math

import pytest

from gradtui.diagnose.profile import TIME_STEP
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Frame, Layer, Toggle
from tests.diagnose.streams import deltas, edges, frame, hello, layers, started, warnings_of


def tilted(tilts: list[float], every: int = 5) -> list[Frame]:
    return [frame(i * every, tilt) for i, tilt in enumerate(tilts)]


def test_a_constant_profile_at_the_threshold_opens_vanishing_at_the_sixth_record() -> None:
    """Catches: < for <=, another count of records, judging before record 2 (each moves the step or the edge)."""
    assert edges(started(), tilted([-2.0] * 10)) == [(25, "vanishing", "opened", "warning")]


def test_a_profile_just_above_the_threshold_opens_nothing() -> None:
    assert edges(started(), tilted([-1.999] * 50)) == []


def test_vanishing_is_critical_from_three_decades_and_escalates_to_it() -> None:
    assert edges(started(), tilted([-3.0] * 10)) == [(25, "vanishing", "opened", "critical")]
    # the median of five reaches -3 at record 12, for the fourth time at record 15
    assert edges(started(), tilted([-2.5] * 10 + [-3.0] * 10)) == [
        (25, "vanishing", "opened", "warning"),
        (75, "vanishing", "escalated", "critical"),
    ]


def test_the_median_of_five_hides_two_spikes_and_not_a_change() -> None:
    """Two of every five records spike by ten decades. Catches a mean, and a median over four or three, which they would break."""
    spiky = [10.0 if i % 5 < 2 else -2.5 for i in range(30)]
    found = [edge for edge in edges(started(), tilted(spiky)) if edge[1] == "vanishing"]
    # records 0 to 3 still have as many spikes as not
    assert found == [(35, "vanishing", "opened", "warning")]


def test_vanishing_closes_after_four_records_at_or_above_minus_one() -> None:
    # five records at -1.0: the median of five reaches -1 with the third of them (record 12), the fourth cleared one is record 15
    found = edges(started(), tilted([-2.0] * 10 + [-1.0] * 10))
    assert found == [(25, "vanishing", "opened", "warning"), (75, "vanishing", "closed", "warning")]
    assert edges(started(), tilted([-2.0] * 10 + [-1.001] * 50))[1:] == []


def test_a_frame_without_delta_neither_opens_nor_closes() -> None:
    """Catches counting frames instead of records that measured."""
    frames = [frame(0, delta_rms=[])] + [frame(5 + f.step, -2.0) for f in tilted([0.0] * 6)]
    frames = [*frames, *(frame(100 + i, delta_rms=[]) for i in range(20))]
    assert edges(started(), frames) == [(30, "vanishing", "opened", "warning")]


def test_a_non_finite_profile_breaks_the_consecutive_records() -> None:
    frames = tilted([-2.0] * 5) + [frame(25, delta_rms=[math.nan] * 5)] + [frame(30 + 5 * i, -2.0) for i in range(4)]
    assert [e for e in edges(started(), frames) if e[1] == "vanishing"] == [(45, "vanishing", "opened", "warning")]


def test_two_hidden_layers_have_no_profile() -> None:
    state = started(layers(hidden=2))
    assert edges(state, [frame(5 * i, -9.0, rows=3) for i in range(20)]) == []


def test_the_read_out_is_not_part_of_the_profile() -> None:
    """Catches including the last row, whose delta of 1e6 would make any profile vanish."""
    frames = [frame(5 * i, delta_rms=[*deltas(0.0)[:-1], 1e6]) for i in range(20)]
    assert edges(started(), frames) == []


def test_rows_without_delta_are_left_out() -> None:
    """Catches None counted as zero."""
    frames = [frame(5 * i, delta_rms=[None, *deltas(0.0)[1:]]) for i in range(20)]
    assert edges(started(), frames) == []


def test_exact_zeros_below_a_living_layer_are_vanishing_without_a_log_of_zero() -> None:
    found = warnings_of(started(), [frame(5 * i, delta_rms=[0.0, 0.0, 1e-30, 1.0, 1.0]) for i in range(6)], "vanishing")
    assert [(w.step, w.severity) for w in found] == [(25, "critical")]
    assert found[0].layers == ["hidden.0", "hidden.1", "hidden.2"]
    assert "exactly 0 at hidden.0" in found[0].evidence.sentence
    assert found[0].evidence.numbers["span"] == -math.inf


def test_a_gradient_that_dies_within_the_last_quarter_has_vanished() -> None:
    """As along the time steps of a saturated recurrent network. Catches a mean over the last quarter's zeros."""
    found = warnings_of(started(layers(8)), [frame(5 * i, rows=9, delta_rms=[0.0] * 7 + [1.0, 1.0]) for i in range(6)], "vanishing")
    assert [(w.step, w.severity) for w in found] == [(25, "critical")]
    assert "exactly 0 at hidden.0" in found[0].evidence.sentence


def test_zeros_that_dead_units_cause_are_not_vanishing() -> None:
    frames = [frame(5 * i, delta_rms=[0.0, 0.0, 1.0, 1.0, 1.0], dead=[0.1, 1.0, 0.1, 0.1, None]) for i in range(20)]
    assert [e[1] for e in edges(started(), frames)] == ["dead-units"]


def test_a_profile_of_zeros_only_is_no_profile() -> None:
    assert edges(started(), [frame(5 * i, delta_rms=[0.0] * 5) for i in range(20)]) == []


def time_steps(count: int = 4) -> list[Layer]:
    return [Layer(name=f"t{i}", kind=TIME_STEP) for i in range(count)] + layers(hidden=3)


def test_time_steps_have_thresholds_of_their_own_and_all_of_them_count() -> None:
    """Catches depth's thresholds along time, dropping the last time step, and parameter rows in the profile."""

    def along_time(tilt: float) -> list[Frame]:
        # the parameter rows fall by 9 decades: they share their weights over time and are no profile
        return [frame(5 * i, rows=8, delta_rms=[*deltas(tilt)[:-1], 1e-9, 1e-6, 1e-3, 1.0]) for i in range(10)]

    assert edges(started(time_steps()), along_time(-2.9)) == []
    assert edges(started(time_steps()), along_time(-3.0)) == [(25, "vanishing", "opened", "warning")]
    assert edges(started(time_steps()), along_time(-4.0)) == [(25, "vanishing", "opened", "critical")]


def test_groups_are_profiles_of_their_own() -> None:
    """Catches reading two networks as one, which here would be a fall of 6 decades from one to the other, and names that both have."""
    both = layers(group="critic") + layers(group="generator")
    flat = [frame(5 * i, rows=10, delta_rms=[1e-6] * 5 + [1.0] * 5) for i in range(20)]
    assert edges(started(both), flat) == []
    falling = [frame(5 * i, rows=10, delta_rms=[1.0] * 5 + deltas(-2.5)) for i in range(10)]
    found = warnings_of(started(both), falling, "vanishing")
    assert [w.layers for w in found] == [["generator hidden.0"]]
    assert found[0].evidence.numbers["tilt"] == pytest.approx(-2.5)


def test_exploding_at_the_first_step() -> None:
    """The check of step 0 needs one record. Catches thresholds, severities, and judging later steps by it."""
    assert edges(started(), [frame(0, 1.49)]) == []
    assert edges(started(), [frame(0, 1.5)]) == [(0, "exploding", "opened", "information")]
    assert edges(started(), [frame(0, 2.2)]) == [(0, "exploding", "opened", "critical")]
    assert edges(started(), [frame(10, 2.2)]) == []


@pytest.mark.parametrize(("optimizer", "severity"), [("sgd", "critical"), ("adam", "information"), ("rmsprop", "information")])
def test_a_profile_that_grows_at_first_harms_no_optimizer_that_takes_its_size_out(optimizer: str, severity: str) -> None:
    choice = Toggle(key="optimizer", label="o", kind="choice", value=optimizer, choices=["sgd", "adam", "rmsprop"])
    state = RunState()
    state.apply(hello(toggles=[choice]))
    assert edges(state, [frame(0, 2.2)]) == [(0, "exploding", "opened", severity)]


def test_exploding_while_it_trains_takes_two_records_of_the_median_of_three() -> None:
    frames = [frame(5 * i, tilt) for i, tilt in enumerate([0.0, 0.0, 2.0, 2.0, 2.0, 2.0])]
    # medians: 0 0 0 2 2
    assert edges(started(), frames) == [(20, "exploding", "opened", "information")]
    spike = [frame(5 * i, 10.0 if i == 5 else 0.0) for i in range(20)]
    assert edges(started(), spike) == []
    assert edges(started(), [frame(5 * i, 1.99 if i else 0.0) for i in range(20)]) == []


def test_exploding_closes_after_two_records_at_or_under_one_and_a_half() -> None:
    frames = [frame(5 * i, tilt) for i, tilt in enumerate([2.2, 1.5, 1.5, 1.5])]
    assert edges(started(), frames) == [(0, "exploding", "opened", "critical"), (15, "exploding", "closed", "critical")]
    assert edges(started(), [frame(5 * i, 1.51 if i else 2.2) for i in range(20)])[1:] == []


def test_exploding_stays_information_until_an_update_confirms_it() -> None:
    frames = [frame(0, 1.6), frame(5, 1.6), frame(10, 1.6, update_ratio=[3.0] * 5)]
    assert edges(started(), frames) == [
        (0, "exploding", "opened", "information"),
        (10, "update-too-large", "opened", "critical"),
        (10, "exploding", "escalated", "critical"),
    ]


def test_a_relapse_that_is_mere_information_confirms_no_explosion() -> None:
    """Catches any open warning taken for a confirmation: the profile grew, and the loss came back."""
    gained = [frame(5 * i, 1.6, loss=loss) for i, loss in enumerate([10.0] + [2.0] * 5 + [7.0] * 8)]
    found = edges(started(), gained)
    assert [e[1] for e in found] == ["exploding", "divergence"]
    assert {e[3] for e in found} == {"information"}


def test_gradients_that_become_nan_confirm_an_open_explosion_and_do_not_close_it() -> None:
    frames = [frame(0, 1.6)] + [frame(5 + i, delta_rms=[math.nan] * 5) for i in range(10)]
    found = [e for e in edges(started(), frames) if e[1] == "exploding"]
    assert found == [(0, "exploding", "opened", "information"), (5, "exploding", "escalated", "critical")]


def test_clipping_mitigates_an_explosion_whose_loss_does_not_rise() -> None:
    """Not fixed, for the profile stays; catches a mitigation without clipping, before five records, or with a rising loss."""
    falling = [frame(5 * i, 2.5, loss=10.0 - i / 10) for i in range(20)]
    assert edges(started(clip="norm"), falling) == [(0, "exploding", "opened", "critical"), (40, "exploding", "mitigated", "critical")]
    assert edges(started(clip="off"), falling) == [(0, "exploding", "opened", "critical")]
    rising = [frame(5 * i, 2.5, loss=10.0 + i / 10) for i in range(20)]
    assert edges(started(clip="norm"), rising) == [(0, "exploding", "opened", "critical")]


def test_an_explosion_that_clipping_no_longer_holds_is_told_as_worse() -> None:
    state = started(clip="norm")
    for i in range(10):
        state.apply(frame(5 * i, 2.5, loss=10.0 - i / 10))
    assert state.open["exploding"].mitigated == "clipping"
    assert edges(state, [frame(50 + 5 * i, 2.5, loss=14.0) for i in range(10)])[0][2:] == ("escalated", "critical")
    assert state.open["exploding"].mitigated == ""


@pytest.mark.parametrize("power", [-100, -20, 13, 60])
def test_the_scale_of_the_loss_changes_no_edge(power: int) -> None:
    """Every gradient times 2^k, as a loss scaled by 2^k gives them. Catches any absolute threshold on a gradient or a loss."""
    scale = 2.0**power
    tilts = [2.3, 2.3, 1.0, 0.0, 0.0] + [-2.6] * 12 + [-3.5] * 10 + [0.0] * 20

    def scaled(factor: float) -> list[Frame]:
        return [
            frame(
                5 * i,
                loss=2.3 * factor,
                total_norm=factor,
                clipped_norm=factor,
                delta_rms=[d * factor for d in deltas(tilt) if d is not None],
                grad_norm=[0.1 * factor] * 5,
                grad_norm_max=[0.1 * factor] * 5,
                grad_rms=[0.1 * factor] * 5,
                grad_max=[0.1 * factor] * 5,
            )
            for i, tilt in enumerate(tilts)
        ]

    plain = edges(started(), scaled(1.0))
    assert {e[1] for e in plain} == {"exploding", "vanishing"}
    assert edges(started(), scaled(scale)) == plain


def test_profiles_of_known_networks_alarm_at_their_known_steps() -> None:
    """Records every 5 steps: 8 sigmoid layers (-4.44 decades) are found at step 25; 20 ReLU layers at twice their scale at step 0."""

    def steady(per_layer: float, hidden: int) -> list[Frame]:
        return [frame(5 * i, per_layer * (hidden - 1), rows=hidden + 1) for i in range(8)]

    assert edges(started(layers(8)), steady(-4.44 / 7, 8)) == [(25, "vanishing", "opened", "critical")]
    assert edges(started(layers(30)), steady(-4.37 / 29, 30)) == [(25, "vanishing", "opened", "critical")]
    assert edges(started(layers(20)), steady(2.86 / 19, 20)) == [(0, "exploding", "opened", "critical")]
    assert edges(started(layers(50)), steady(4.08 / 49, 50)) == [(0, "exploding", "opened", "critical")]
    assert edges(started(layers(20)), steady(-0.71 / 19, 20)) == []


def test_a_recording_whose_arrays_do_not_fit_its_layers_is_not_judged() -> None:
    """Damaged or foreign events must not crash a viewer."""
    state = started()
    assert edges(state, [frame(5 * i, delta_rms=[1e-9, 1.0], update_ratio=[9.0], dead=[1.0]) for i in range(10)]) == []


def test_no_layers_and_no_toggles() -> None:
    state = started()
    state.apply(hello([], toggles=[]))
    assert edges(state, [frame(5 * i, -9.0) for i in range(10)]) == []


def test_a_profile_that_swings_to_the_other_side_is_said_to_be_there() -> None:
    """Catches |tilt| told as a distance that is left."""
    fallen = warnings_of(started(), tilted([-2.5] * 6 + [3.0] * 8), "vanishing")
    assert fallen[-1].evidence.sentence == "δ at hidden.0 is 3.0 decades above hidden.3 (closes at 1)"
    grown = warnings_of(started(), tilted([2.5] * 6 + [-1.0] * 8), "exploding")
    assert grown[-1].evidence.sentence == "δ at hidden.0 is 1.0 decades below hidden.3 (closes at 1.5 above)"


def test_a_profile_whose_last_row_alone_stands_out_has_layers_all_the_same() -> None:
    """The outer quarters differ by more than the threshold and no row from the last one by as much: what is meant is the first ones."""
    rows = layers(8)
    grown = [frame(5 * i, rows=9, delta_rms=[200.0] * 2 + [1.0] * 4 + [0.1, 10.0, 1.0] if i else [1.0] * 9) for i in range(6)]
    assert [w.layers for w in warnings_of(started(rows), grown, "exploding")] == [["hidden.0", "hidden.1"]]
    fallen = [frame(5 * i, rows=9, delta_rms=[0.005] * 2 + [1.0] * 4 + [10.0, 0.1, 1.0]) for i in range(10)]
    assert [w.layers for w in warnings_of(started(rows), fallen, "vanishing")] == [["hidden.0", "hidden.1"]]
