"""Units that are all one unit: equal weights get equal gradients and stay equal, and no profile shows it."""

from __future__ import annotations

import math

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals
from gradtui.diagnose.warnings import Evidence
from gradtui.diagnose.words import span_of

# 10 of 10 runs from equal weights found, at exactly 1.00; every other layer of 64 units had 12 or more.
SYMMETRIC = 2.0
SYMMETRIC_OVER = 4.0


def symmetry(signals: Signals) -> Reading | None:
    """In half of the layers or more all units are as good as one or two (Goodfellow 2016, §8.4); in one layer, information.

    An embedding's rows are words, not units.
    """
    units = signals.column(signals.frame.effective_units)
    known = [(value, row) for row in (signals.weights if units else ()) if (value := units[row]) is not None and math.isfinite(value)]
    if not known or signals.broken:
        return None
    alike = [row for value, row in known if value <= SYMMETRIC]
    least = min(value for value, _ in known)
    met = (bool(alike), 2 * len(alike) >= len(known))
    return Reading(met, least >= SYMMETRIC_OVER, lambda edge: _describe(signals, alike, least, edge))


def _describe(signals: Signals, alike: list[int], least: float, edge: Edge) -> Finding:
    names = signals.names(alike)
    numbers = {"effective_units": least, "threshold": SYMMETRIC, "since": edge.since}
    if edge.state == "closed":
        brief = f"at least {least:.2g} of a layer's units differ"
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes at {SYMMETRIC_OVER:g})", numbers=numbers))
    brief = f"the units are worth {least:.2g} unit{'' if round(least, 1) == 1 else 's'} since step {edge.since}"
    why = "equal weights get equal gradients and stay equal"
    if "underflow" in signals.open:
        why = "what underflow leaves of the gradient moves them alike, see underflow"
    each = " in each layer" if len(names) > 1 else ""
    sentence = f"the units of {span_of(names)} are worth {least:.2g}{each} (threshold {SYMMETRIC:g}), since step {edge.since}: {why}"
    return Finding(names, Evidence(brief=brief, sentence=sentence, numbers=numbers))
