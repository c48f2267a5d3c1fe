"""From a hello to its prediction: the lab's own families where theory holds, and nothing elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gradtui.diagnose.predict import predict, span
from gradtui.diagnose.profile import TIME_STEP
from gradtui.stream.events import Hello, Layer, Toggle, Value
from tests.diagnose.streams import hello


def network(layers: list[Layer], *, model: Any = "mlp", data: Any = "digits", options: Any = None, **settings: Any) -> Hello:
    defaults: dict[str, Value] = {"activation": "sigmoid", "init": "xavier", "batch_norm": "off", "skip": "off"}
    toggles = [Toggle(key=key, label=key, kind="choice", value=value) for key, value in (defaults | settings).items()]
    return hello(layers, toggles=toggles, scenario={"model": model, "data": data, "options": options or {}})


def dense(depth: int, width: int = 64, inputs: int = 64) -> list[Layer]:
    shapes = [[width, inputs]] + [[width, width]] * (depth - 1) + [[10, width]]
    return [Layer(name=str(i), kind="Linear", shape=shape, parameters=1) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("depth", "settings", "decades"),
    [
        (8, {}, -4.44),
        (20, {"activation": "relu", "init": "gaussian", "sigma_w": 2.0}, 2.86),
        (30, {"activation": "relu"}, -4.37),
        (30, {"activation": "relu", "init": "he"}, 0.0),
        (20, {"activation": "tanh", "init": "gaussian", "sigma_w": 0.5}, -5.81),
        (50, {"activation": "relu", "init": "he", "batch_norm": "on"}, 4.08),
        (50, {"activation": "tanh", "batch_norm": "on", "norm_scale": 0.3}, 0.075),
        (50, {"activation": "tanh", "batch_norm": "no_affine", "norm_scale": 0.3}, 49 * math.log10(1.1778) / 2),
        (20, {"activation": "relu", "init": "he", "skip": "plain"}, 2.86),
        (20, {"activation": "leaky_relu", "leaky_slope": 1.0}, 0.0),
    ],
)
def test_dense_networks(depth: int, settings: dict[str, Value], decades: float) -> None:
    """Catches a setting that is not read: each case differs in one."""
    prediction = predict(network(dense(depth), **settings))
    assert len(prediction) == depth + 1
    assert prediction[-1] is None
    assert prediction[-2] == 0.0
    assert span(prediction) == pytest.approx(decades, abs=0.02)


def test_xavier_looks_at_both_sides_of_a_layer() -> None:
    """A first layer from 16 to 64 has sigma_w² of 2·16/80; what follows is square."""
    narrow = predict(network(dense(3, inputs=16)))
    square = predict(network(dense(3, inputs=64)))
    assert narrow[0] is not None
    assert square[0] is not None
    assert narrow[0] > square[0] + 0.01


def test_a_plain_convolutional_network_loses_gradient_in_its_padding() -> None:
    channels = [8] * 11 + [16] * 10 + [32] * 10
    rows = [Layer(name=str(i), kind="Conv2d", shape=[c, b, 3, 3]) for i, (b, c) in enumerate(zip([1, *channels], channels, strict=False))]
    rows.append(Layer(name="read_out", kind="Linear", shape=[10, 32]))
    plain = network(rows, model="resnet", activation="relu", init="he")
    assert span(predict(plain)) == pytest.approx(-2.72, abs=0.02)
    assert span(predict(network(rows, model="resnet", activation="relu", init="he", batch_norm="on"))) is None
    assert span(predict(network(rows, model="resnet", activation="relu", init="he", skip="plain"))) is None


def test_a_recurrent_network_is_predicted_on_its_time_steps_only() -> None:
    rows = [Layer(name="input", kind="Linear", shape=[32, 4]), Layer(name="recurrent", kind="Linear", shape=[32, 32])]
    rows += [Layer(name=f"t{i}", kind=TIME_STEP) for i in range(30)]
    rows.append(Layer(name="read_out", kind="Linear", shape=[4, 32]))
    settings: dict[str, Value] = {"activation": "tanh", "init": "gaussian", "sigma_w": 0.7, "cell": "rnn", "leaky_state": 1.0}
    prediction = predict(network(rows, model="rnn", data="first_symbol", **settings))
    assert [i for i, log in enumerate(prediction) if log is not None] == list(range(2, 32))
    assert span(prediction) == pytest.approx(-5.33, abs=0.05)
    for changed in ({"cell": "lstm"}, {"leaky_state": 0.1}, {"layer_norm": "on"}):
        assert span(predict(network(rows, model="rnn", data="first_symbol", **settings | changed))) is None


@pytest.mark.parametrize(
    "silent",
    [
        network(dense(4), init="zeros"),
        network(dense(4), init="constant"),
        network(dense(4), init="gaussian", sigma_w=0.0),
        network(dense(400), init="gaussian", sigma_w=1e300, activation="relu"),
        network(dense(4), activation="swish"),
        network(dense(4), model="mine:network"),
        network(dense(4), data="mine:data"),
        network(dense(4), options={"bias": -1.5}),
        network([], model="mlp"),
        network([Layer(name="x", kind="Linear")] * 5),
        network([Layer(name="x", kind="Linear", shape=[0, 0])] * 5),
        hello(scenario={"model": ["mlp"], "data": {}, "options": 3}),
    ],
)
def test_where_theory_has_nothing_to_say_it_says_nothing(silent: Hello) -> None:
    """No number where it would be wrong, and no crash on a recording that says something else."""
    assert predict(silent) == [None] * len(silent.layers)
