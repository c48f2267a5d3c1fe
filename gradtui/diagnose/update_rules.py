"""Updates that are too large or too small for the weights they change, and gradients that are missing.

An update is measured against its own layer's weights, so nothing here depends on the loss's scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.warnings import Evidence
from gradtui.diagnose.words import full_name, listed, spoken
from gradtui.stream.events import Numbers

# 71 of 71 runs that ended in NaN found, a median of 2 steps before; 8 alarms on 321 that learned. One such frame alone, mostly the
# first: of 505 that learned 5, of 337 that failed none which nothing else found, but two at three times the norm.
UPDATE_CRITICAL = 1.0
UPDATE_AT_ONCE = 3.0
UPDATE_LARGE = 0.3

# 9 of 9 slow, 41 of 49 dead, 57 of 75 vanishing found (and the other 18 once the penalty's share is taken out); 3 alarms on 321.
UPDATE_SMALL = 1e-5
UPDATE_SMALL_OVER = 3e-5
# While the loss is a constant guess's, ten times as much is too little still: so did half of the runs that a plateau found alone.
UPDATE_STUCK = 1e-4
UPDATE_STUCK_OVER = 3e-4
SMALL_FROM = 20
"""The step from which updates are judged too small: warm-ups begin at 0."""

NORMALISED_FIRST = ("adagrad", "rmsprop")
"""Optimizers whose first step is as long as the learning rate says, whatever the gradient: it tells nothing of the next ones."""


def update_too_large(signals: Signals) -> Reading | None:
    """A step changes a layer's weights by their own norm or more, or half of the layers by almost a third of theirs. One step that
    does is information, as networks get over it, unless it is by three times the norm.

    Layers whose weights are all zero have no size to compare with, and embeddings are left out: both start so and learn.
    """
    ratios = signals.column(signals.frame.update_ratio)
    norms = signals.column(signals.frame.weight_norm)
    seen = []
    for row in signals.weights if ratios else ():
        ratio = ratios[row]
        if ratio is not None and not math.isnan(ratio) and (not norms or norms[row]):
            seen.append((ratio, row))
    if signals.at_init and signals.settings.get("optimizer") in NORMALISED_FIRST:
        return None
    if signals.broken:
        seen = [found for found in seen if math.isfinite(found[0])]
    if not seen:
        return None
    largest, middle = max(seen)[0], median([ratio for ratio, _ in seen])
    beyond = largest >= UPDATE_CRITICAL
    met = (beyond, middle >= UPDATE_LARGE, beyond, largest >= UPDATE_AT_ONCE)
    return Reading(met, largest < UPDATE_LARGE, lambda edge: _describe_updates(signals, seen, middle, edge))


def _describe_updates(signals: Signals, seen: Sequence[tuple[float, int]], middle: float, edge: Edge) -> Finding:
    largest, where = max(seen)
    numbers = {"largest": largest, "median": middle, "since": edge.since}
    if edge.state == "closed":
        brief = f"updates are at most {largest:.2g} of a layer's norm"
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes under {UPDATE_LARGE:g})", numbers=numbers))
    line = UPDATE_CRITICAL if largest >= UPDATE_CRITICAL else UPDATE_LARGE
    if largest >= UPDATE_CRITICAL:
        brief = f"step {signals.frame.step} changes {spoken(full_name(signals.layers[where]))} by {largest:.3g} times its norm"
    else:
        brief = f"each step changes half of the layers by {middle:.2g} of their norm or more since step {edge.since}"
    hit = sorted(row for ratio, row in seen if ratio >= line)
    sentence = f"{brief} (threshold {line:g}): what was learned is overwritten"
    return Finding(signals.names(hit), Evidence(brief=brief, sentence=sentence, numbers=numbers | {"threshold": line}))


def update_too_small(signals: Signals) -> Reading | None:
    """The first layer's weights do not move: neither a vanished gradient nor a tiny learning rate trains it. Nor do those that no
    optimizer was given, wherever they are.

    Only the data loss's share of the update counts, since a regulariser's moves weights that learn nothing.
    """
    if forgotten := signals.forgotten:
        return Reading((True,), False, lambda edge: _describe_forgotten(signals, forgotten, edge))
    found = first_update(signals)
    if found is None or signals.frame.lr == 0 or signals.broken:
        return None
    smallest, row = found
    line, over = (UPDATE_STUCK, UPDATE_STUCK_OVER) if "plateau" in signals.open else (UPDATE_SMALL, UPDATE_SMALL_OVER)
    learned = signals.curves.learned
    met = signals.frame.step >= SMALL_FROM and smallest <= line and not learned
    left = _left_plateau(signals)
    cleared = smallest >= over or learned or left
    why = "the plateau is left" if left else f"closes at {over:g}" if smallest >= over else "there is little left to learn"
    return Reading((met,), cleared, lambda edge: _describe_small(signals, row, smallest, line, why, edge))


def first_update(signals: Signals) -> tuple[float, int] | None:
    """The data loss's share of the update of each network's first layer, the smallest one, and its row; None: not measured."""
    ratios = signals.column(signals.frame.update_ratio)
    rows = signals.free(signals.first_rows) if ratios else []
    return min(((share, row) for row in rows if (share := _data_share(signals, ratios, row)) is not None), default=None)


def _left_plateau(signals: Signals) -> bool:
    """Whether the updates were too small to leave a plateau, and it has been left."""
    warned = signals.open.get("update-too-small")
    return warned is not None and warned.evidence.numbers.get("threshold") == UPDATE_STUCK and "plateau" not in signals.open


def _describe_forgotten(signals: Signals, rows: Sequence[int], edge: Edge) -> Finding:
    names = signals.names(rows)
    brief = f"no optimizer has the parameters of {len(rows)} layer{'s' if len(rows) > 1 else ''}"
    sentence = f"no optimizer has the parameters of {_listed(names)}: they never change; give them to one, or freeze them"
    return Finding(names, Evidence(brief=brief, sentence=sentence, numbers={"layers": len(rows), "since": edge.since}))


def _data_share(signals: Signals, ratios: Numbers, row: int) -> float | None:
    """The update ratio of one layer times the data loss's share of its gradient; None where it is not known."""
    ratio = ratios[row]
    if ratio is None or not math.isfinite(ratio):
        return None
    gradients, penalties = signals.column(signals.frame.grad_norm), signals.column(signals.frame.penalty_norm)
    gradient, penalty = (gradients[row] if gradients else None), (penalties[row] if penalties else None)
    if gradient is None or not penalty:
        return ratio
    return ratio * gradient / (gradient + penalty)


def _describe_small(signals: Signals, row: int, smallest: float, line: float, closes: str, edge: Edge) -> Finding:
    name = full_name(signals.layers[row])
    brief = f"a step changes {spoken(name)} by {smallest:.1g} of its norm"
    sentence = f"{brief} ({closes})"
    if edge.state != "closed":
        stays = "it stays as it was initialised" if line == UPDATE_SMALL else "too little to leave the loss of a constant guess"
        sentence = f"{brief} by the data's gradient (threshold {line:g}), since step {edge.since}: {stays}"
    numbers = {"update": smallest, "threshold": line, "since": edge.since}
    return Finding([name], Evidence(brief=brief, sentence=sentence, numbers=numbers))


def no_gradient(signals: Signals) -> Reading | None:
    """A trainable layer gets no gradient at all (None, which is not 0): it is detached, or the loss does not use it.

    A network of which no layer has one is not looked at: a GAN trains its two by turns.
    """
    gradients = signals.column(signals.frame.grad_norm)
    missing: list[int] = []
    for rows in signals.trainable.values() if gradients else ():
        without = [row for row in signals.free(rows) if gradients[row] is None]
        if len(without) < len(rows):
            missing += without
    if not gradients:
        return None
    return Reading((bool(missing),), not missing, lambda edge: _describe_missing(signals, missing, edge))


def _describe_missing(signals: Signals, missing: list[int], edge: Edge) -> Finding:
    if edge.state == "closed":
        brief = "every trainable layer has a gradient"
        return Finding([], Evidence(brief=brief, sentence=brief, numbers={"since": edge.since}))
    brief = f"no gradient reaches {len(missing)} trainable layer{'s' if len(missing) > 1 else ''}"
    names = _listed(signals.names(missing))
    sentence = f"{brief} ({names}), since step {edge.since}: detached from the loss, or not used by it"
    return Finding(signals.names(missing), Evidence(brief=brief, sentence=sentence, numbers={"layers": len(missing), "since": edge.since}))


def _listed(names: Sequence[str]) -> str:
    return listed(list(map(spoken, names)))
