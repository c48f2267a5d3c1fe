"""Updates that are too large, and what stops the gradient inside a layer: dead units, saturation, underflow."""

from __future__ import annotations

import math
from typing import Any

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Layer, Toggle, Value
from tests.diagnose.streams import applied, edges, frame, hello, layers, started, warnings_of


def test_one_update_of_a_layers_own_norm_is_information_and_the_second_critical_or_one_of_three_times_it() -> None:
    """Catches > for >=, the median for the largest, and other numbers of records."""
    quiet = [1e-3] * 4
    assert edges(started(), [frame(0, update_ratio=[0.999, *quiet])]) == []
    found = warnings_of(started(), [frame(0, update_ratio=[*quiet, 1.0])], "update-too-large")
    assert [(w.step, w.severity, w.layers) for w in found] == [(0, "information", ["read_out"])]
    twice = [frame(0, update_ratio=[*quiet, 1.0]), frame(5, update_ratio=[1.0, *quiet])]
    assert edges(started(), twice)[1:] == [(5, "update-too-large", "escalated", "critical")]
    apart = [frame(0, update_ratio=[*quiet, 2.9]), frame(5, update_ratio=[0.9, *quiet]), frame(10, update_ratio=[*quiet, 2.9])]
    assert edges(started(), apart)[1:] == []
    assert edges(started(), [frame(0, update_ratio=[*quiet, 3.0])]) == [(0, "update-too-large", "opened", "critical")]


def test_a_first_step_of_normalised_length_is_no_pathology_but_the_second_is() -> None:
    """Adagrad's and RMSProp's first step is the learning rate times the gradient's sign, however small the gradient."""
    optimizer = Toggle(key="optimizer", label="o", kind="choice", value="adagrad", choices=["sgd", "adagrad", "rmsprop"])
    state = RunState()
    state.apply(hello(toggles=[optimizer]))
    assert edges(state, [frame(0, update_ratio=[4.0] * 5)]) == []
    assert edges(state, [frame(5, update_ratio=[4.0] * 5)]) == [(5, "update-too-large", "opened", "critical")]


def test_a_large_median_takes_three_records() -> None:
    large = [0.3, 0.3, 0.3, 1e-3, 1e-3]
    assert edges(started(), [frame(i, update_ratio=large) for i in range(5)]) == [(2, "update-too-large", "opened", "warning")]
    assert edges(started(), [frame(i, update_ratio=[0.3, 0.3, 0.299, 1e-3, 1e-3]) for i in range(50)]) == []


def test_large_updates_close_after_twenty_steps_under_the_threshold() -> None:
    """Twenty steps, whatever the number of frames in them; catches counting records."""
    frames = [frame(0, update_ratio=[4.0] * 5)] + [frame(i, update_ratio=[0.299] * 5) for i in range(1, 30)]
    assert edges(started(), frames)[1:] == [(20, "update-too-large", "closed", "critical")]
    frames = [frame(0, update_ratio=[4.0] * 5), frame(10), frame(20), frame(30)]
    assert edges(started(), frames)[1:] == [(30, "update-too-large", "closed", "critical")]
    frames = [frame(0, update_ratio=[4.0] * 5)] + [frame(i, update_ratio=[0.3, 0.1, 0.1, 0.1, 0.1]) for i in range(1, 60)]
    assert edges(started(), frames)[1:] == []


def test_weights_of_zero_and_embeddings_have_no_update_ratio_to_speak_of() -> None:
    """A zero read-out's first step is infinitely large, an embedding's rows are hit seldom: both are how healthy runs start."""
    rows = [Layer(name="embedding", kind="EmbeddingBag", parameters=1000), *layers()[1:]]
    ratios = [5.0, 1e-3, 1e-3, 1e-3, math.inf]
    norms = [8.0, 8.0, 8.0, 8.0, 0.0]
    assert edges(started(rows), [frame(0, update_ratio=ratios, weight_norm=norms)]) == []
    assert edges(started(), [frame(0, update_ratio=ratios, weight_norm=norms)]) == [(0, "update-too-large", "opened", "critical")]


def test_dead_units_take_three_records_of_the_median_of_three() -> None:
    """Catches the mean over layers (.3 here), another threshold or persistence."""
    one_layer = [0.1, 0.9, 0.1, 0.1, None]
    found = warnings_of(started(), [frame(5 * i, dead=one_layer) for i in range(6)], "dead-units")
    assert [(w.step, w.state, w.severity, w.layers) for w in found] == [(10, "opened", "critical", ["hidden.1"])]
    almost = [0.1, 0.899, 0.1, 0.1, None]
    assert edges(started(), [frame(5 * i, dead=almost) for i in range(6)]) == [(10, "dead-units", "opened", "information")]
    assert edges(started(), [frame(5 * i, dead=[0.499] * 4 + [None]) for i in range(50)]) == []


def test_dead_units_close_after_three_records_under_seven_tenths() -> None:
    frames = [frame(i, dead=[0.95 if i < 10 else 0.699] + [0.0] * 4) for i in range(13)]
    # the median of three is under .7 from record 11 on; the third such record is 13
    assert edges(started(), frames)[1:] == []
    frames.append(frame(13, dead=[0.699] + [0.0] * 4))
    assert edges(started(), frames)[1:] == [(13, "dead-units", "closed", "critical")]


def test_half_dead_is_information_and_stays_until_well_under_a_half() -> None:
    """Catches one closing threshold for both levels, which would open and close by turns at .6."""
    frames = [frame(i, dead=[0.6] * 4 + [None]) for i in range(50)]
    assert edges(started(), frames) == [(2, "dead-units", "opened", "information")]


def test_a_skip_carries_the_gradient_round_dead_units() -> None:
    dead = [0.1, 1.0, 0.1, 0.1, None]
    assert edges(started(skip="scaled"), [frame(i, dead=dead) for i in range(20)]) == []
    state = started()
    assert edges(state, [frame(i, dead=dead) for i in range(5)]) == [(2, "dead-units", "opened", "critical")]
    state.apply(applied(5, "skip", "scaled"))
    assert edges(state, [frame(5 + i, dead=dead) for i in range(5)]) == [(7, "dead-units", "closed", "critical")]


def test_a_network_without_relus_has_no_dead_units_left() -> None:
    """The activation was swapped: the warning must not stay open for want of a measurement."""
    state = started()
    edges(state, [frame(i, dead=[1.0] * 4 + [None]) for i in range(5)])
    assert edges(state, [frame(5 + i, dead=[None] * 5) for i in range(5)]) == [(7, "dead-units", "closed", "critical")]


def test_saturation_is_information_and_its_mean_counts() -> None:
    """Catches the largest layer for the mean, and a severity that would call a disease what 14% of healthy runs do."""
    half = [0.9, 0.5, 0.3, 0.3, None]
    assert edges(started(), [frame(i, saturated=half) for i in range(20)]) == [(2, "saturated", "opened", "information")]
    assert edges(started(), [frame(i, saturated=[0.9, 0.5, 0.3, 0.29, None]) for i in range(20)]) == []
    state = started()
    edges(state, [frame(i, saturated=half) for i in range(5)])
    assert edges(state, [frame(5 + i, saturated=[0.41] * 4 + [None]) for i in range(20)]) == []
    assert [e[2] for e in edges(state, [frame(30 + i, saturated=[0.39] * 4 + [None]) for i in range(20)])] == ["closed"]


def half_precision(exponent: float, scale: float = 1.0, count: int = 6) -> list[tuple[int, str, str, str]]:
    """The edges of a run in fp16 whose first delta, before unscaling, is 2^exponent."""
    state = started()
    settings: dict[str, Value] = {"precision": "fp16", "loss_scale": scale}
    state.apply(hello(toggles=[Toggle(key=key, label=key, kind="number", value=value) for key, value in settings.items()]))
    measured: list[float | None] = [2.0**exponent / scale, *[1.0 / scale] * 4]
    return edges(state, [frame(i, delta_rms=measured) for i in range(count)])


def test_half_precision_underflows_near_its_smallest_number() -> None:
    """Before the loss scale is taken out again; catches an absolute threshold on the unscaled delta."""
    assert half_precision(-23.0)[0] == (2, "underflow", "opened", "warning")
    assert half_precision(-23.0, scale=1024.0)[0] == (2, "underflow", "opened", "warning")
    assert [e for e in half_precision(-22.9) if e[1] == "underflow"] == []
    assert [e for e in half_precision(-22.9, scale=1024.0) if e[1] == "underflow"] == []
    state = started()  # fp32: the same numbers are nothing of the kind
    assert [e for e in edges(state, [frame(i, delta_rms=[2.0**-40] * 5) for i in range(9)]) if e[1] == "underflow"] == []


def subnormal(share: float, zero: float = 0.0, count: int = 6, **settings: Value) -> list[tuple[int, str, str, str]]:
    """The edges of a run that measures gradients alone, of whose first layer's entries `share` are subnormal and `zero` are 0."""
    state = RunState()
    state.apply(hello(toggles=[Toggle(key=key, label=key, kind="choice", value=value) for key, value in settings.items()]))
    shares: dict[str, Any] = {"grad_subnormal": [share, 0.0, 0.0, 0.0, 0.0], "grad_zero": [zero, 0.0, 0.0, 0.0, 0.0]}
    frames = [frame(i, delta_rms=[], **shares) for i in range(count)]
    back = [frame(count + i, delta_rms=[], **shares | {"grad_subnormal": [0.19, 0.0, 0.0, 0.0, 0.0]}) for i in range(3)]
    return edges(state, frames + back)


def test_subnormal_entries_tell_of_underflow_where_delta_is_not_known() -> None:
    """Catches the share of all entries: a ReLU's zeros are no part of what is fading, nor of what is left."""
    opened, closed = (2, "underflow", "opened", "warning"), (8, "underflow", "closed", "warning")
    assert subnormal(0.5) == subnormal(0.5, precision="fp16") == [opened, closed]
    assert subnormal(0.49) == []
    assert subnormal(0.05, zero=0.9)[:1] == [opened]
    assert subnormal(0.0, zero=1.0) == []
    assert subnormal(1.0, precision="fp32") == []


def test_what_has_learned_has_small_gradients_that_say_nothing_of_its_precision() -> None:
    """Catches the loss left out: fp16 with the loss scale that cures it was warned of once nothing was left to learn."""

    def fading(loss: float) -> list[tuple[int, str, str, str]]:
        frames = [frame(i, loss=2.0 if i < 5 else loss, grad_subnormal=[0.0 if i < 10 else 0.6] * 5) for i in range(20)]
        return edges(started(), frames)

    assert [e[2] for e in fading(0.3)] == ["opened"]
    assert fading(0.001) == []


def test_half_precision_in_which_everything_is_zero_is_critical() -> None:
    state = started()
    state.apply(hello(toggles=[Toggle(key="precision", label="precision", kind="choice", value="fp16", choices=["fp16", "bf16", "fp32"])]))
    found = warnings_of(state, [frame(i, delta_rms=[0.0] * 5) for i in range(9)], "underflow")
    assert [(w.step, w.severity) for w in found] == [(2, "critical")]
    assert [(t.toggle, t.value) for t in found[0].try_] == [("precision", "fp32"), ("precision", "bf16")]
    state.apply(applied(9, "precision", "fp32"))
    assert [e[1:3] for e in edges(state, [frame(9 + i) for i in range(9)])] == [("underflow", "closed")]


def test_one_layer_that_gets_nothing_in_half_precision_is_critical_unless_it_is_dead() -> None:
    half = hello(toggles=[Toggle(key="precision", label="precision", kind="choice", value="fp16", choices=["fp16"])])
    for dead, severity in ((0.5, "critical"), (1.0, "warning")):
        state = started()
        state.apply(half)
        frames = [frame(i, delta_rms=[0.0, 1.0, 1.0, 1.0, 1.0], dead=[dead, 0.0, 0.0, 0.0, None]) for i in range(9)]
        found = edges(state, frames)
        assert [e[3] for e in found if e[1] == "underflow"] == [severity]
        assert "vanishing" not in {e[1] for e in found}


def test_nan_casts_no_shadow() -> None:
    """A NaN slope makes every unit look dead: what broke is told once."""
    broken: dict[str, Any] = {"loss": math.nan, "dead": [1.0] * 4 + [None], "delta_rms": [math.nan] * 5, "saturated": [1.0] * 5}
    assert [e[1] for e in edges(started(), [frame(i, **broken) for i in range(20)])] == ["non-finite"]


def test_dead_units_are_told_of_the_layers_that_have_them_and_with_their_own_shares() -> None:
    """Catches the worst layer's share told of all, and a range that holds a layer which is alive."""
    (warning,) = warnings_of(started(), [frame(i, dead=[0.7, 0.2, 0.6, 0.55, None]) for i in range(3)], "dead-units")
    assert warning.layers == ["hidden.0", "hidden.2", "hidden.3"]
    assert warning.evidence.sentence.startswith("55% to 70% of the units of hidden.0, hidden.2–hidden.3 are dead on every example")
    spared = [frame(i, dead=[share, 0.0, 0.0, 0.0, None]) for i, share in enumerate([0.95, 0.95, 0.7])]
    (warning,) = warnings_of(started(), spared, "dead-units")
    assert (warning.severity, warning.layers) == ("critical", ["hidden.0"])
    assert "70% of the units of hidden.0 are dead on every example (threshold 90%, median of three frames)" in warning.evidence.sentence
