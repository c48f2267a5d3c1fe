"""The bar of one row: a layer's value with theory and the ghost, or the values of the layers that a block folds into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradtui.stream.events import Frame, Layer, Numbers
from gradtui.ui import rows, theory
from gradtui.ui.arrange import Entry, worst_severity
from gradtui.ui.measures import MEASURES, Measure, at
from gradtui.ui.scale import Axis


@dataclass(frozen=True)
class Look:
    """What there is to draw."""

    measure: Measure
    axis: Axis
    values: Numbers
    flags: Mapping[int, str]
    """The severity of what is wrong, by layer."""
    frame: Frame | None
    ghost: Frame | None
    theory: theory.Line


def bar_of(row: Entry, layers: Sequence[Layer], look: Look, width: int) -> tuple[str, str]:
    """The bar of a row that has members: `width` characters, and their style letters."""
    hot = bool(worst_severity(look.flags, row.members))
    before = look.measure.values(look.ghost) if look.ghost else []
    if row.layer is None:
        text, codes = rows.block([at(look.values, i) for i in row.members], look.axis, width, hot=hot)
        return rows.marked(text, codes, rows.middle([at(before, i) for i in row.members]), look.axis, rows.GHOST, "g")
    note = "frozen" if layers[row.layer].frozen else "not measured, or no gradient"
    text, codes = rows.drawn(at(look.values, row.layer), look.axis, width, hot=hot, note=note)
    point = theory.point(look.theory, row.layer)
    if look.measure is MEASURES[0] and look.frame and point:
        style = ("s", "t") if theory.holds(look.frame) else ("f", "f")
        text, codes = rows.shaded(text, codes, point.edges, look.axis, style[0])
        text, codes = rows.marked(text, codes, point.delta, look.axis, rows.THEORY, style[1])
    return rows.marked(text, codes, at(before, row.layer), look.axis, rows.GHOST, "g")
