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
    line = theory.profile(deep_sigmoid(), rec.frame(0, [*[1e-9] * 7, 3e-3, 2e-2]))
    first, last = line[0], line[7]
    assert first is not None
    assert last is not None
    assert last.delta == pytest.approx(3e-3)
    assert line[8] is None
    assert theory.span(line, range(9)) == "-4.44 ± 0.09"
    assert first.delta == pytest.approx(3e-3 * 10**-4.44, rel=0.03)
    assert first.told == "measured -6.48, theory -4.44 ± 0.09"


def test_each_network_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [msgspec.structs.replace(layer, group=group) for group in ("critic", "generator") for layer in rec.layers(3)]
    monkeypatch.setattr(theory, "predict", lambda hello: [-2.0, 0.0, None, 1.0, 0.0, None])
    values = theory.profile(rec.hello(layers), rec.frame(0, [1.0, 1e-3, 1.0, 1.0, 1e-6, 1.0]))
    assert [own and math.log10(own.delta) for own in values] == pytest.approx([-5, -3, None, -5, -6, None])
    assert [own and own.edges for own in values] == [None] * 6
    assert theory.span(values, [0, 1]) == "-2.00"


def test_the_band_opens_from_the_row_that_it_is_laid_through_and_closes_with_width() -> None:
    line = theory.profile(deep_sigmoid(), rec.frame(0, [1e-3] * 9))
    assert all(own and own.edges and own.edges[0] <= own.delta <= own.edges[1] for own in line[:8])
    reach = [math.log10(own.edges[1] / own.edges[0]) for own in line[:8] if own and own.edges]
    assert reach == sorted(reach, reverse=True)
    assert reach[7] == 0
    assert reach[0] == pytest.approx(4 * 0.043, abs=0.004)
    wide = deep_sigmoid()
    wider = [msgspec.structs.replace(layer, shape=[256, 256]) for layer in wide.layers[:-1]]
    first = theory.profile(msgspec.structs.replace(wide, layers=[*wider, wide.layers[-1]]), rec.frame(0, [1e-3] * 9))[0]
    assert first
    assert first.edges
    assert math.log10(first.edges[1] / first.edges[0]) == pytest.approx(reach[0] / 2, rel=0.1)


def test_nothing_is_drawn_where_there_is_nothing_to_draw_it_through() -> None:
    for delta in (0.0, math.nan, math.inf, None):
        assert theory.profile(deep_sigmoid(), rec.frame(0, [*[1e-9] * 7, delta, 2e-2])) == []
    later = rec.frame(1, [1e-3] * 9)
    assert theory.profile(deep_sigmoid(), later) == []
    assert theory.profile(rec.hello(rec.layers(9)), rec.frame(0, [1e-3] * 9)) == []
    assert theory.span([], [0, 1]) == ""
