"""Theory beside measurement: at step 0 only, over the rows it knows, and only where there is a number to compare."""

from __future__ import annotations

import math

import pytest

from gradtui.diagnose.at_init import compare
from gradtui.diagnose.predict import predict, span
from gradtui.stream.events import Hello, Layer, Toggle, Value
from tests.diagnose.streams import deltas, frame, hello


def network(rows: list[Layer], model: str = "mlp", data: str = "digits", **settings: Value) -> Hello:
    toggles = [Toggle(key=key, label=key, kind="choice", value=value) for key, value in settings.items()]
    return hello(rows, toggles=toggles, scenario={"model": model, "data": data})


def dense(count: int = 8, group: str = "") -> list[Layer]:
    names = [*(f"hidden.{i}" for i in range(count)), "read_out"]
    return [Layer(name=name, kind="Linear", shape=[64, 64], parameters=4160, group=group) for name in names]


DEEP_SIGMOID = network(dense(), activation="sigmoid", init="xavier")


def test_measured_and_predicted_spans_side_by_side() -> None:
    """8 sigmoid layers of Xavier's weights: -4.44 by theory."""
    found = compare(DEEP_SIGMOID, frame(0, rows=9, delta_rms=deltas(-4.45, 8)))
    assert found is not None
    assert found.span == pytest.approx(-4.45)
    assert found.predicted_span == pytest.approx(-4.44, abs=0.01)
    assert found.layers == [f"hidden.{i}" for i in range(8)]
    assert found.predicted[-1] == 0.0
    assert found.predicted[0] == pytest.approx(found.predicted_span)


def test_nothing_is_said_later_or_without_a_theory_or_a_measurement() -> None:
    assert compare(DEEP_SIGMOID, frame(1, rows=9, delta_rms=deltas(-4.45, 8))) is None
    assert compare(network(dense(), activation="sigmoid", init="constant"), frame(0, rows=9)) is None
    for broken in ([], [0.0, *deltas(0, 8)[1:]], [math.nan, *deltas(0, 8)[1:]], [1.0] * 3):
        assert compare(DEEP_SIGMOID, frame(0, rows=9, delta_rms=broken)) is None


def test_a_critic_whose_weights_are_clipped_is_predicted_by_their_variance() -> None:
    """On the bound delta changes by c·√(N/2) a layer; He's weights clamped to .01 are not quite there, to 1 nearly unclipped."""

    def per_layer(bound: float, **more: Value) -> float | None:
        rows = [*dense(8, "critic"), *dense(3, "generator")]
        given: dict[str, Value] = {"activation": "relu", "init": "he", "lipschitz": "clip_weights", "weight_clip": bound}
        prediction = predict(network(rows, "wgan", "swiss_roll", **given | more))
        assert all(log is None for log in prediction[8:])
        decades = span(prediction)
        return None if decades is None else decades / 7

    assert per_layer(0.0001) == pytest.approx(math.log10(0.0001 * math.sqrt(32)), abs=1e-3)
    assert per_layer(0.01) == pytest.approx(-1.254, abs=0.002)  # measured: -1.256
    assert per_layer(0.1) == pytest.approx(-0.31, abs=0.02)  # measured: -0.31
    assert per_layer(1.0) == pytest.approx(0.0, abs=1e-3)
    for key, value in (("lipschitz", "off"), ("activation", "tanh"), ("batch_norm", "on"), ("skip", "scaled")):
        assert per_layer(0.01, **{key: value}) is None
