"""What theory says of the bars: the profile of delta at initialisation, laid through the last row that was measured there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradtui.diagnose.at_init import BAND, spelled
from gradtui.diagnose.predict import deviations, predict
from gradtui.diagnose.profile import log10
from gradtui.diagnose.profile import rows as profiles
from gradtui.diagnose.words import signed
from gradtui.stream.events import Frame, Hello

LAST = 10
"""The last step that is near enough to the initialisation to be compared with it."""

LARGEST = 308.0
"""No double holds a larger power of ten."""


@dataclass(frozen=True)
class Point:
    """One layer's delta at initialisation."""

    anchor: float
    """log10 delta, as measured, of the row that the line is laid through: its profile's last predicted one."""
    decades: float
    """log10 delta relative to that row's, by theory."""
    measured: float | None
    """The same as it was measured; None where that is no number."""
    deviation: float | None
    """Its standard deviation in decades at this width; None: not known."""

    @property
    def delta(self) -> float:
        return _power(self.anchor + self.decades)

    @property
    def edges(self) -> tuple[float, float] | None:
        """Delta at the lower and the upper edge of the band; None: there is none."""
        if self.deviation is None:
            return None
        middle, reach = self.anchor + self.decades, BAND * self.deviation
        return _power(middle - reach), _power(middle + reach)

    @property
    def told(self) -> str:
        """`measured -4.45, theory -4.44 ± 0.09`."""
        measured = "" if self.measured is None else f"measured {signed(self.measured)}, "
        return f"{measured}theory {spelled(self.decades, self.deviation)}"


Line = Sequence[Point | None]
"""A point a layer; None: theory has no word on it."""


def profile(hello: Hello, first: Frame) -> Line:
    """Every layer's point. Theory knows ratios only, so each profile's last predicted row is as measured.

    Empty where theory has nothing to say, or `first` is not the network as it was initialised.
    """
    if first.step or len(first.delta_rms) != len(hello.layers):
        return []
    logs, strayed = predict(hello), deviations(hello)
    found: list[Point | None] = [None] * len(logs)
    for rows in profiles(hello.layers):
        known = [(index, log) for index in rows.indices if (log := logs[index]) is not None]
        anchor = _log(first, known[-1][0]) if known else -math.inf
        if math.isfinite(anchor):
            for index, log in known:
                measured = _log(first, index) - anchor
                found[index] = Point(anchor, log - known[-1][1], measured if math.isfinite(measured) else None, strayed[index])
    return found if any(found) else []


def point(line: Line, index: int) -> Point | None:
    """A layer's point."""
    return line[index] if index < len(line) else None


def holds(frame: Frame) -> bool:
    """Whether the network is still about as it was initialised."""
    return frame.step <= LAST


def span(line: Line, indices: Sequence[int]) -> str:
    """The predicted span of the profile of these rows, in decades with its band; empty: there is none."""
    known = [own for index in indices if (own := point(line, index))]
    return spelled(known[0].decades, known[0].deviation) if len(known) > 1 else ""


def _log(frame: Frame, index: int) -> float:
    return log10(frame.delta_rms[index] or 0.0)


def _power(decades: float) -> float:
    return float(10 ** min(LARGEST, decades))
