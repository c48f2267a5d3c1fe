"""Updates that are too small, gradients that are missing, and a penalty that hides a vanished gradient."""

from __future__ import annotations

from typing import Any

import msgspec

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Layer
from tests.diagnose.streams import applied, deltas, edges, frame, hello, layers, started, warnings_of


def test_a_first_layer_that_does_not_move_for_twenty_steps() -> None:
    """From step 20 on; catches judging the warm-up, another layer, and counting frames for steps."""
    still = [1e-5, 1.0e-3, 1e-3, 1e-3, 1e-3]
    assert edges(started(), [frame(i, update_ratio=still) for i in range(60)]) == [(39, "update-too-small", "opened", "warning")]
    assert edges(started(), [frame(10 * i, update_ratio=still) for i in range(9)]) == [(40, "update-too-small", "opened", "warning")]
    assert edges(started(), [frame(i, update_ratio=[1.01e-5, *still[1:]]) for i in range(60)]) == []
    assert edges(started(), [frame(i, update_ratio=[1e-3, 1e-9, 1e-3, 1e-3, 1e-3]) for i in range(60)]) == []


def test_it_closes_at_three_times_the_threshold() -> None:
    def steps(ratio: float, start: int, count: int) -> list[tuple[int, str, str, str]]:
        return edges(state, [frame(start + i, update_ratio=[ratio, 1e-3, 1e-3, 1e-3, 1e-3]) for i in range(count)])

    state = started()
    steps(1e-6, 0, 50)
    assert steps(2.9e-5, 50, 50) == []
    assert steps(3e-5, 100, 5) == [(102, "update-too-small", "closed", "warning")]
    assert state.warnings[-1].evidence.sentence.endswith("(closes at 3e-05)")


def test_it_says_when_it_closes_for_another_reason_than_its_size() -> None:
    state = RunState()
    state.apply(hello(scenario={"data": "digits"}))
    edges(state, [frame(5 * i, loss=2.3 if i < 40 else 1.0, update_ratio=[1e-4] * 5) for i in range(60)])
    assert state.warnings[-1].evidence.sentence.endswith("(the plateau is left)")
    learned = started()
    edges(learned, [frame(i, loss=2.3 if i < 45 else 0.1, update_ratio=[1e-6] * 5) for i in range(70)])
    assert learned.warnings[-1].evidence.sentence.endswith("(there is little left to learn)")


def test_while_nothing_is_learned_ten_times_as_much_is_too_little_still() -> None:
    """From the plateau's opening at step 100 on; a run that learns is not bothered, and one that has begun to is told no more."""

    def judged(ratio: float, loss: float) -> list[tuple[int, str, str]]:
        state = RunState()
        state.apply(hello(scenario={"data": "digits"}))
        frames = [frame(5 * i, loss=loss if i < 40 else 1.0, update_ratio=[ratio] * 5) for i in range(60)]
        return [(step, code, kind) for step, code, kind, _ in edges(state, frames) if code == "update-too-small"]

    assert judged(1e-4, 2.3) == [(125, "update-too-small", "opened"), (230, "update-too-small", "closed")]
    assert judged(1.01e-4, 2.3) == []
    assert judged(1e-4, 1.0) == []


def test_a_penaltys_share_of_the_update_does_not_count() -> None:
    """L2 in the loss moves weights that learn nothing: u of 4e-4 of which a hundred-thousandth is the data's."""
    hidden: dict[str, Any] = {"update_ratio": [4e-4] * 5, "grad_norm": [1e-7] * 5, "penalty_norm": [1e-2] * 5}
    found = warnings_of(started(), [frame(i, **hidden) for i in range(60)], "update-too-small")
    assert [w.step for w in found] == [39]


def test_a_learning_rate_of_zero_is_not_a_pathology() -> None:
    assert edges(started(), [frame(i, update_ratio=[0.0] * 5, lr=0.0) for i in range(60)]) == []


def test_frozen_first_layers_are_passed_over() -> None:
    rows = [msgspec.structs.replace(layers()[0], frozen=True), *layers()[1:]]
    assert edges(started(rows), [frame(i, update_ratio=[0.0, 1e-3, 1e-3, 1e-3, 1e-3]) for i in range(60)]) == []
    assert edges(started(rows), [frame(i, update_ratio=[0.0, 0.0, 1e-3, 1e-3, 1e-3]) for i in range(60)]) != []


def test_a_layer_that_a_viewer_has_frozen_is_no_alarm() -> None:
    """By the first layer without an update, and by one without a gradient; the same once it is thawed."""
    for layer, still in (("hidden.0", {"update_ratio": [0.0, *[1e-3] * 4]}), ("hidden.1", {"grad_norm": [0.1, None, 0.1, 0.1, 0.1]})):
        state = started()
        state.apply(applied(0, "freeze", layer))
        assert edges(state, [frame(i, **still) for i in range(60)]) == []
        state.apply(applied(60, "freeze", "none"))
        assert edges(state, [frame(i, **still) for i in range(60, 120)]) != []


def test_a_trainable_layer_without_a_gradient() -> None:
    """None is not 0; catches zero taken for none, frozen layers and time steps counted, and one frame being enough."""
    missing = [0.1, None, 0.1, 0.1, 0.1]
    found = warnings_of(started(), [frame(i, grad_norm=missing) for i in range(10)], "no-gradient")
    assert [(w.step, w.layers) for w in found] == [(2, ["hidden.1"])]
    assert edges(started(), [frame(i, grad_norm=[0.1, 0.0, 0.1, 0.1, 0.1]) for i in range(10)]) == []
    frozen = [layers()[0], msgspec.structs.replace(layers()[1], frozen=True), *layers()[2:]]
    assert edges(started(frozen), [frame(i, grad_norm=missing) for i in range(10)]) == []
    bare = [layers()[0], Layer(name="t0", kind="time step"), *layers()[2:]]
    assert edges(started(bare), [frame(i, grad_norm=missing) for i in range(10)]) == []


def test_a_network_whose_turn_it_is_not_has_no_gradients() -> None:
    """A GAN's generator, on the critic's step."""
    both = layers(group="critic") + layers(group="generator")
    turn = [0.1] * 5 + [None] * 5
    assert edges(started(both), [frame(i, rows=10, grad_norm=turn, delta_rms=[]) for i in range(10)]) == []


def test_a_penalty_over_a_vanished_gradient() -> None:
    def judged(penalty: float, tilt: float) -> list[tuple[int, str, str, str]]:
        frames = [
            frame(5 * i, delta_rms=deltas(tilt), grad_norm=[1e-5, 1e-4, 1e-3, 1e-2, 0.1], penalty_norm=[penalty, 0.0, 0.0, 0.0, 0.0])
            for i in range(10)
        ]
        return [e for e in edges(started(), frames) if e[1] == "penalty-hides-vanishing"]

    assert judged(1e-4, -2.5) == [(25, "penalty-hides-vanishing", "opened", "warning")]
    assert judged(0.99e-4, -2.5) == []
    assert judged(1e-2, -1.9) == []


def test_a_network_that_has_learned_moves_little_because_there_is_little_left_to_learn() -> None:
    """Catches the loss left out."""

    def after(loss: float) -> list[tuple[int, str, str, str]]:
        late = [frame(5 * i, loss=loss, update_ratio=[1e-6] * 5) for i in range(10, 30)]
        return edges(started(), [frame(5 * i, loss=2.0) for i in range(10)] + late)

    assert [e[1:3] for e in after(0.21)] == [("update-too-small", "opened")]
    assert after(0.19) == []


def test_layers_that_no_optimizer_has_are_named_whatever_else_moves_and_no_setting_helps() -> None:
    """Catches a look at the first layer alone, frozen layers counted, and an advice to learn faster."""
    rows = [msgspec.structs.replace(layer, updated=index not in (0, 2, 3), frozen=index == 3) for index, layer in enumerate(layers())]
    (warning,) = warnings_of(started(rows), [frame(5 * i) for i in range(12)], "update-too-small")
    assert warning.layers == ["hidden.0", "hidden.2"]
    assert "no optimizer has the parameters of hidden.0, hidden.2: they never change" in warning.evidence.sentence
    assert warning.try_ == []


def test_updates_too_small_for_a_plateau_close_when_it_is_left() -> None:
    """Catches a sentence about a constant guess's loss that outlives that loss."""
    state = RunState()
    state.apply(hello(scenario={"data": "digits"}))
    found = edges(state, [frame(5 * i, loss=2.3 if i < 40 else 0.9, update_ratio=[5e-5] * 5) for i in range(80)])
    closed = {code: step for step, code, kind, _ in found if kind == "closed"}
    assert closed["plateau"] < closed["update-too-small"] <= closed["plateau"] + 20
