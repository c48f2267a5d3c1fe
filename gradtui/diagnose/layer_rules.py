"""The rules that read one number a layer: the size of updates, and dead units.

Both numbers are shares, of a weight's norm or of a layer's units, and so do not depend on the loss's scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.warnings import Evidence
from gradtui.diagnose.words import inert, span_of

# 71 of 71 runs that ended in NaN found, a median of 2 steps before; 8 alarms on 321 that learned.
UPDATE_CRITICAL = 1.0
UPDATE_LARGE = 0.3

# 46 of 49 found, 3 alarms on 299 that learned; at a half 46 and 18.
DEAD = 0.9
DEAD_INFORMATION = 0.5
DEAD_OVER = 0.7
DEAD_INFORMATION_OVER = 0.4


def update_too_large(signals: Signals) -> Reading | None:
    """A step changes a layer's weights by their own norm or more, or half of the layers by almost a third of theirs.

    Layers whose weights are all zero have no size to compare with, and embeddings are left out: both start so and learn.
    """
    ratios = signals.column(signals.frame.update_ratio)
    norms = signals.column(signals.frame.weight_norm)
    seen = []
    for row in signals.weights if ratios else ():
        ratio = ratios[row]
        if ratio is not None and not math.isnan(ratio) and (not norms or norms[row]):
            seen.append((ratio, row))
    if not seen:
        return None
    largest, middle = max(seen)[0], median([ratio for ratio, _ in seen])
    met = (middle >= UPDATE_LARGE, largest >= UPDATE_CRITICAL)
    return Reading(met, largest < UPDATE_LARGE, lambda edge: _describe_updates(signals, seen, middle, edge))


def _describe_updates(signals: Signals, seen: Sequence[tuple[float, int]], middle: float, edge: Edge) -> Finding:
    largest, where = max(seen)
    numbers = {"largest": largest, "median": middle, "since": edge.since}
    if edge.state == "closed":
        brief = f"updates are at most {largest:.2g} of a layer's norm"
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes under {UPDATE_LARGE:g})", numbers=numbers))
    line = UPDATE_CRITICAL if largest >= UPDATE_CRITICAL else UPDATE_LARGE
    if largest >= UPDATE_CRITICAL:
        brief = f"step {signals.frame.step} changes {inert(signals.layers[where].name)} by {largest:.3g} times its norm"
    else:
        brief = f"each step changes half of the layers by {middle:.2g} of their norm or more since step {edge.since}"
    hit = sorted(row for ratio, row in seen if ratio >= line)
    sentence = f"{brief} (threshold {line:g}): what was learned is overwritten"
    return Finding(signals.names(hit), Evidence(brief=brief, sentence=sentence, numbers=numbers | {"threshold": line}))


def dead_units(signals: Signals) -> Reading | None:
    """Units of the ReLU family whose slope is next to 0 on the whole batch: no gradient passes them (Lu 2019).

    A skip carries the gradient round them, so with one there is nothing to warn of.
    """
    dead = signals.column(signals.frame.dead)
    if not dead:
        return None
    if all(share is None for share in dead):
        return Reading((False, False), True, lambda edge: _no_longer("no layer has a ReLU", edge))
    if signals.settings.get("skip", "off") != "off":
        return Reading((False, False), True, lambda edge: _no_longer("a skip carries the gradient round the dead units", edge))
    middle = median(signals.dead)
    warned = signals.open.get("dead-units")
    over = DEAD_INFORMATION_OVER if warned and warned.severity == "information" else DEAD_OVER
    return Reading((middle >= DEAD_INFORMATION, middle >= DEAD), middle < over, lambda edge: _describe_dead(signals, middle, edge))


def _no_longer(brief: str, edge: Edge) -> Finding:
    return Finding([], Evidence(brief=brief, sentence=brief, numbers={"since": edge.since}))


def _describe_dead(signals: Signals, middle: float, edge: Edge) -> Finding:
    line = DEAD if middle >= DEAD else DEAD_INFORMATION
    numbers = {"dead": middle, "threshold": line, "since": edge.since}
    if edge.state == "closed":
        brief = f"at most {middle:.0%} of a layer's units are dead"
        return Finding([], Evidence(brief=brief, sentence=brief, numbers=numbers))
    dead = signals.column(signals.frame.dead)
    hit = [row for row, share in enumerate(dead) if share is not None and share >= line]
    brief = f"{middle:.0%} of the units are dead since step {edge.since}"
    where = f" of {span_of(signals.names(hit))}" if hit else ""
    sentence = (
        f"{middle:.0%} of the units{where} are dead on every example (threshold {line:.0%}), since step {edge.since}: no gradient passes"
    )
    return Finding(signals.names(hit), Evidence(brief=brief, sentence=sentence, numbers=numbers))
