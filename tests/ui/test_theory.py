import math

import msgspec
import pytest

from gradtui.stream.events import Hello, Layer, Toggle
from gradtui.ui import theory
from tests.ui import recordings as rec


def deep_sigmoid(depth: int = 8) -> Hello:
    """The scenario's own network, as its trainer describes it."""
    layers = [Layer(name=f"hidden.{i}.linear", kind="Linear", shape=[64, 64], parameters=4160) for i in range(depth)]
    toggles = [
        Toggle(key="activation", label="activation", kind="choice", value="sigmoid", choices=["sigmoid"]),
        Toggle(key="init", label="init", kind="choice", value="xavier", choices=["xavier"]),
    ]
    hello = rec.hello([*layers, Layer(name="read_out", kind="Linear", shape=[10, 64])], toggles=toggles)
    return msgspec.structs.replace(hello, scenario={"name": "deep-sigmoid", "model": "mlp", "data": "digits"})


def test_the_line_goes_through_the_last_predicted_row_as_measured() -> None:
    values = theory.profile(deep_sigmoid(), rec.frame(0, [*[1e-9] * 7, 3e-3, 2e-2]))
    assert values[7] == pytest.approx(3e-3)
    assert values[8] is None
    assert theory.span(values) == pytest.approx(-4.44, abs=0.01)
    assert values[0] == pytest.approx(3e-3 * 10**-4.44, rel=0.03)


def test_each_network_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [msgspec.structs.replace(layer, group=group) for group in ("critic", "generator") for layer in rec.layers(3)]
    monkeypatch.setattr(theory, "predict", lambda hello: [-2.0, 0.0, None, 1.0, 0.0, None])
    values = theory.profile(rec.hello(layers), rec.frame(0, [1.0, 1e-3, 1.0, 1.0, 1e-6, 1.0]))
    assert [value and math.log10(value) for value in values] == pytest.approx([-5, -3, None, -5, -6, None])


def test_nothing_is_drawn_where_there_is_nothing_to_draw_it_through() -> None:
    for delta in (0.0, math.nan, math.inf, None):
        assert theory.profile(deep_sigmoid(), rec.frame(0, [*[1e-9] * 7, delta, 2e-2])) == []
    later = rec.frame(1, [1e-3] * 9)
    assert theory.profile(deep_sigmoid(), later) == []
    assert theory.profile(rec.hello(rec.layers(9)), rec.frame(0, [1e-3] * 9)) == []
    assert theory.span([]) is None
