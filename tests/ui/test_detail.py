"""A layer in full has every number that a frame says of it."""

from __future__ import annotations

import msgspec

from gradtui.stream.events import Frame, Numbers
from gradtui.ui import detail, theory
from gradtui.ui.lines import text_of
from tests.ui import recordings as rec


def test_every_field_of_a_layer_has_its_words() -> None:
    """Catches a field that is added to frames and forgotten here."""
    per_layer = {field.name for field in msgspec.structs.fields(Frame) if field.default_factory is list}
    assert {field for field, _ in detail.FIELDS} == per_layer


def test_how_many_units_differ_is_a_number_and_not_a_share() -> None:
    frame = msgspec.structs.replace(rec.frame(0, [1e-2] * 3), effective_units=[12.4, 1.0, 16.0])
    told = [text_of(row) for row in detail.rows(rec.layers(3)[0], frame, 0, None, 75)]
    assert next(line for line in told if "units that differ" in line).split()[-1] == "12.4"


def test_theory_stands_beside_what_was_measured() -> None:
    point = theory.Point(-2.0, -4.44, -4.45, 0.045)
    told = "\n".join(text_of(row) for row in detail.rows(rec.layers(3)[0], None, 0, point, 75))
    assert "measured -4.45, theory -4.44 ± 0.09" in told
    assert "by theory" in told
    assert max(map(len, told.splitlines())) <= 76
    assert "theory" not in "\n".join(text_of(row) for row in detail.rows(rec.layers(3)[0], None, 0, None, 75))


def test_numbers_come_in_the_frames_own_order() -> None:
    values: Numbers = [1e-5, 2e-5, 3e-5]
    told = [text_of(row) for row in detail.rows(rec.layers(3)[1], rec.frame(0, values), 1, None, 75)]
    assert next(line for line in told if "delta, r.m.s." in line).split()[-1] == "2.0e-5"


def test_a_layer_that_no_optimizer_has_and_a_frozen_one_are_told_apart() -> None:
    layer = rec.layers(3)[0]

    def told(**changes: bool) -> str:
        shown = [text_of(row) for row in detail.rows(msgspec.structs.replace(layer, **changes), None, 0, None, 75)]
        return next(line for line in shown if "parameters" in line)

    assert told(updated=False).endswith(", no optimizer's")
    assert told(frozen=True, updated=False).endswith(", frozen")
    assert "," not in told().replace(f"{layer.parameters:,}", "")
