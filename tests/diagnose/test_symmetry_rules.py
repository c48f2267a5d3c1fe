"""Symmetry: units that are all one unit, in how many layers, and what is not to be judged by it."""

from __future__ import annotations

from gradtui.stream.events import Layer
from tests.diagnose.streams import edges, frame, layers, started, warnings_of


def test_equal_units_are_critical_at_the_first_frame() -> None:
    """Catches < for <= and a wait for more records: nothing but a new start tells equal units apart."""
    found = warnings_of(started(), [frame(0, effective_units=[2.0, 1.0, 16.0, None, None])], "symmetry")
    assert [(w.step, w.state, w.severity, w.layers) for w in found] == [(0, "opened", "critical", ["hidden.0", "hidden.1"])]
    assert edges(started(), [frame(0, effective_units=[2.01] * 4 + [None])]) == []


def test_one_layer_of_many_is_information() -> None:
    """Catches any for half: one collapsed layer learns something yet."""
    units = [1.0, 12.0, 12.0, 12.0, None]
    assert edges(started(), [frame(5 * i, effective_units=units) for i in range(9)]) == [(0, "symmetry", "opened", "information")]


def test_it_closes_well_above_the_threshold_after_three_records() -> None:
    equal, between, apart = ([units] * 4 + [None] for units in (1.0, 3.99, 4.0))
    frames = [frame(0, effective_units=equal)] + [frame(1 + i, effective_units=between) for i in range(9)]
    frames += [frame(10 + i, effective_units=apart) for i in range(3)]
    assert edges(started(), frames) == [(0, "symmetry", "opened", "critical"), (12, "symmetry", "closed", "critical")]


def test_frames_without_the_measurement_neither_open_nor_close() -> None:
    frames = [frame(0, effective_units=[1.0] * 5)] + [frame(1 + i, effective_units=[]) for i in range(20)]
    assert edges(started(), frames) == [(0, "symmetry", "opened", "critical")]


def test_words_are_not_units() -> None:
    rows = [Layer(name="words", kind="Embedding", parameters=1000), *layers()[1:]]
    assert edges(started(rows), [frame(i, effective_units=[1.0, None, None, None, None]) for i in range(5)]) == []


def test_it_says_what_in_which_layers_and_names_a_random_start() -> None:
    found = warnings_of(started(), [frame(0, effective_units=[1.0] * 4 + [None])], "symmetry")[0]
    assert found.evidence.sentence == (
        "the units of hidden.0–hidden.3 are worth 1 in each layer (threshold 2), since step 0:"
        " equal weights get equal gradients and stay equal"
    )
    assert found.evidence.brief == "the units are worth 1 unit since step 0"
    alone = warnings_of(started(), [frame(0, effective_units=[1.0] + [9.0] * 3 + [None])], "symmetry")[0]
    assert alone.evidence.sentence.startswith("the units of hidden.0 are worth 1 (threshold 2)")
