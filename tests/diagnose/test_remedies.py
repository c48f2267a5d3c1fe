"""What is named to be tried: the cure for what the network is and for what began it, never one that was measured to be useless."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gradtui.diagnose.profile import TIME_STEP
from gradtui.diagnose.warnings import Warning
from gradtui.stream.events import Frame, Layer, Toggle, Value
from tests.diagnose.streams import TOGGLES, frame, hello, started, warnings_of

INIT = Toggle(key="init", label="init", kind="choice", value="constant", choices=["constant", "xavier", "he", "orthogonal"])
LIPSCHITZ = Toggle(
    key="lipschitz", label="L", kind="choice", value="clip_weights", choices=["off", "clip_weights", "gradient_penalty", "spectral_norm"]
)
LAYER_NORM = Toggle(key="layer_norm", label="h", kind="choice", value="post", choices=["off", "pre", "post"])
CELL_NORM = Toggle(key="layer_norm", label="h", kind="choice", value="off", choices=["off", "on"])
CELL = Toggle(key="cell", label="cell", kind="choice", value="rnn", choices=["rnn", "lstm", "gru"])
WARMUP = Toggle(key="warmup", label="w", kind="number", value=0, minimum=0)
LOSS_SCALE = Toggle(key="loss_scale", label="s", kind="number", value=1.0)
PRECISION = Toggle(key="precision", label="p", kind="choice", value="fp16", choices=["fp32", "bf16", "fp16"])

OPTIMIZER = Toggle(key="optimizer", label="optimizer", kind="choice", value="momentum", choices=["sgd", "momentum", "adam"])
LR = Toggle(key="lr", label="lr", kind="number", value=0.001, maximum=0.005)

UNROLLED = [Layer(name=f"t={i}", kind=TIME_STEP) for i in range(4)] + [Layer(name="read_out", kind="Linear", parameters=10)]


def found(toggles: list[Toggle], frames: Iterable[Frame], code: str, rows: list[Layer] | None = None, **more: Any) -> Warning:
    state = started()
    state.apply(hello(rows, toggles=[*TOGGLES, *toggles], **more))
    return warnings_of(state, frames, code)[0]


def named(warning: Warning) -> list[tuple[str, Value]]:
    return [(fix.toggle, fix.value) for fix in warning.try_]


def test_a_critic_with_clipped_weights_is_told_of_the_clipping_first() -> None:
    """Batch norm is not named at all: its scale is clipped, too. A gradient penalty leaves the weights as small as they are."""
    expected = [("lipschitz", "spectral_norm"), ("skip", "scaled"), ("lipschitz", "gradient_penalty")]
    falling = [frame(5 * i, -3.0) for i in range(8)]
    warning = found([LIPSCHITZ], falling, "vanishing")
    assert named(warning) == expected
    assert [fix.after_restart for fix in warning.try_] == [False, False, True]
    dead = [frame(5 * i, dead=[0.7] * 4 + [None]) for i in range(4)]
    assert named(found([LIPSCHITZ], dead, "dead-units")) == expected
    still = [frame(10 * i, update_ratio=[1e-8] * 5) for i in range(8)]
    assert named(found([LIPSCHITZ], still, "update-too-small")) == expected


def test_a_post_norm_transformer_is_told_of_pre_norm_even_when_its_profile_is_sound() -> None:
    flat = [frame(5 * i) for i in range(25)]
    warning = found([LAYER_NORM, WARMUP], flat, "plateau", scenario={"data": "digits"})
    assert named(warning) == [("layer_norm", "pre"), ("lr", 0.004), ("warmup", 150)]
    assert "the gradients look healthy" in warning.evidence.sentence
    assert named(found([LAYER_NORM], [frame(5 * i, -3.0) for i in range(8)], "vanishing"))[0] == ("layer_norm", "pre")
    assert named(found([LAYER_NORM], [frame(i, dead=[0.6] * 4 + [None]) for i in range(5)], "dead-units"))[0] == ("layer_norm", "pre")


def test_time_that_vanishes_from_the_start_wants_another_cell_and_after_an_explosion_a_bound() -> None:
    """One explosive step saturates a recurrent network, which then vanishes: an LSTM would be thrown just so."""
    from_the_start = found([CELL, INIT, CELL_NORM], [frame(5 * i, -4.0) for i in range(8)], "vanishing", UNROLLED)
    assert named(from_the_start) == [("cell", "lstm"), ("init", "orthogonal"), ("init", "xavier"), ("layer_norm", "on")]
    frames = [frame(0, 1.2), *(frame(5 + 5 * i, -4.0) for i in range(8))]
    thrown = found([CELL, INIT, CELL_NORM], frames, "vanishing", UNROLLED)
    assert named(thrown)[0] == ("clip", "norm")
    assert thrown.try_[0].why.startswith("then restart, it exploded first: ")
    assert "cell" not in dict(named(thrown))


def test_a_plateau_after_an_explosion_that_has_passed_is_its_doing() -> None:
    """One large step saturates the network for good, and the profile that is left looks sound."""
    frames = [frame(0, 2.0), *(frame(5 * i) for i in range(1, 25))]
    warning = found([CELL], frames, "plateau", UNROLLED, scenario={"data": "first_symbol"})
    assert "look healthy now, but see exploding, which closed" in warning.evidence.sentence
    assert named(warning)[0] == ("clip", "norm")
    assert warning.try_[0].why.startswith("then restart, it exploded first: ")


def test_small_updates_after_an_explosion_that_has_passed_are_its_doing() -> None:
    """A saturated network's gradient is 0, whatever the learning rate: ten times as much of one is in vain."""

    def advised(code: str, loss: float) -> Warning:
        frames = [frame(0, 2.0), *(frame(5 * i, loss=loss, update_ratio=[1e-9] * 5) for i in range(1, 25))]
        return found([CELL, OPTIMIZER], frames, code, UNROLLED, scenario={"data": "first_symbol"})

    for code in ("update-too-small", "plateau"):
        assert named(advised(code, 1.39))[0] == ("clip", "norm")
        assert advised(code, 1.39).try_[0].after_restart
    assert named(advised("update-too-small", 0.4))[0] == ("optimizer", "adam")  # it has learned since


def test_large_updates_of_a_network_drawn_too_wide_want_what_exploding_wants() -> None:
    """Though they are told in the same frame before it is; a tenth of the learning rate ends as NaN two steps later."""
    large: dict[str, Any] = {"update_ratio": [2.0] * 5}
    for code in ("update-too-large", "exploding"):
        warning = found([], [frame(0, 2.7, **large)], code)
        assert named(warning)[0] == ("batch_norm", "on")
        assert warning.try_[0].after_restart  # from step 1 on it ends at chance
    assert not found([], [frame(0, 2.7)], "exploding").try_[0].after_restart
    assert named(found([], [frame(0, 1.0, **large)], "update-too-large"))[0] == ("lr", 0.002)
    grown_since = [frame(0), frame(5, 2.7, **large)]
    assert named(found([], grown_since, "update-too-large"))[0] == ("lr", 0.002)


def test_large_updates_of_a_recurrent_network_are_clipped() -> None:
    large = [frame(0, update_ratio=[2.0] * 5)]
    assert named(found([CELL], large, "update-too-large", UNROLLED))[0] == ("clip", "norm")


def test_what_underflow_brings_about_is_not_cured_by_its_symptoms_remedies() -> None:
    """Dead units, equal units, a plateau and NaN after it are its doing: another init, rate or batch norm would be in vain."""
    tiny: list[float | None] = [1e-9] * 5
    small = [frame(5 * i, delta_rms=tiny) for i in range(5)]
    alike = [frame(25, delta_rms=tiny, effective_units=[8.0] * 4 + [1.9])]
    dead = [frame(30 + 5 * i, delta_rms=tiny, dead=[0.7] * 4 + [None]) for i in range(5)]
    end = [frame(60, loss=math.nan)]
    state = started()
    state.apply(hello(toggles=[*TOGGLES, LOSS_SCALE, PRECISION, INIT]))
    warnings = {w.code: w for f in [*small, *alike, *dead, *end] for w in state.apply(f) if w.state == "opened"}
    assert set(warnings) == {"underflow", "symmetry", "dead-units", "non-finite"}
    for warning in warnings.values():
        assert named(warning)[0] == ("loss_scale", 16384.0)
    for code in ("dead-units", "non-finite"):
        assert warnings[code].try_[0].why.startswith("then restart, the damage is done: ")
    assert not warnings["symmetry"].try_[0].after_restart  # a few steps of noise are made good
    assert warnings["symmetry"].evidence.sentence.endswith("moves them alike, see underflow")


def test_an_update_that_is_small_because_delta_falls_wants_what_vanishing_wants() -> None:
    """Small updates are told a record earlier than vanishing is; another optimizer takes 8 sigmoid layers to .09."""
    frames = [frame(10 * i, -3.0, update_ratio=[1e-7] * 5) for i in range(6)]
    assert named(found([], frames, "update-too-small"))[0] == ("batch_norm", "on")
    frames = [frame(10 * i, update_ratio=[1e-7] * 5) for i in range(6)]
    assert named(found([], frames, "update-too-small")) == [("lr", 2.0)]


def test_a_learning_rate_is_raised_by_as_much_as_it_takes() -> None:
    """On slow-learning-rate ten times scores .44, a hundred times .91; an update of 2e-5 a step is too large for the latter."""

    def advised(update: float, code: str) -> list[tuple[str, Value]]:
        guesses = [frame(10 * i, loss=math.log(10), update_ratio=[update] * 5) for i in range(25)]
        return named(found([], guesses, code, scenario={"data": "digits"}))

    assert advised(7e-6, "update-too-small") == advised(7e-6, "plateau") == [("lr", 2.0)]
    assert advised(2e-5, "update-too-small") == [("lr", 0.2)]


def test_adam_is_named_with_a_learning_rate_of_its_own() -> None:
    """At the 1e-5 of a momentum that is too slow Adam is as slow: .08 to .12 over three seeds, and .97 at 0.001."""
    still = [frame(10 * i, update_ratio=[1e-7] * 5) for i in range(6)]
    warning = found([OPTIMIZER], still, "update-too-small")
    assert [fix.settings for fix in warning.try_] == [{"optimizer": "adam", "lr": 0.001}, {"lr": 2.0}]
    state = started()
    state.apply(hello(toggles=[OPTIMIZER, LR]))
    assert warnings_of(state, still, "update-too-small")[0].try_[0].settings == {"optimizer": "adam"}  # the rate is so set
    state.apply(hello(toggles=[OPTIMIZER]))
    assert warnings_of(state, still, "update-too-small")[0].try_ == []


def test_equal_units_want_a_random_start() -> None:
    alike = [frame(0, effective_units=[1.0] * 5)]
    assert named(found([INIT], alike, "symmetry")) == [("init", "xavier"), ("init", "he")]
    stuck = [frame(5 * i, effective_units=[1.0] * 5) for i in range(25)]
    warning = found([INIT], stuck, "plateau", scenario={"data": "digits"})
    assert named(warning)[0] == ("init", "xavier")
    assert "see symmetry" in warning.evidence.sentence
