"""Dead and saturated units, and gradients too small for half precision: what stops the gradient inside a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.warnings import Evidence
from gradtui.diagnose.words import full_name, listed, span_of, spoken
from gradtui.stream.events import Numbers

# 46 of 49 found, 3 alarms on 299 that learned; at a half 46 and 18.
DEAD = 0.9
DEAD_INFORMATION = 0.5
DEAD_OVER = 0.7
DEAD_INFORMATION_OVER = 0.4

# 14 of 23 exploding and 5 of 5 saturated found, 19 alarms on 139 that learned: information, not a disease.
SATURATED = 0.5
SATURATED_OVER = 0.4

# fp16 keeps nothing under 2^-25: harmless up to half of the gradient, fatal when all of it is gone.
UNDERFLOW = -23.0
UNDERFLOW_OVER = -20.0
SUBNORMAL = 0.5
SUBNORMAL_OVER = 0.2


def dead_units(signals: Signals) -> Reading | None:
    """Units of the ReLU family whose slope is next to 0 on the whole batch: no gradient passes them (Lu 2019).

    A skip carries the gradient round them, so with one there is nothing to warn of.
    """
    dead = signals.column(signals.frame.dead)
    if not dead or signals.broken:
        return None
    if not _measured(dead):
        return Reading((False, False), True, lambda edge: _no_longer("no layer has a ReLU", edge))
    if signals.settings.get("skip", "off") != "off":
        return Reading((False, False), True, lambda edge: _no_longer("a skip carries the gradient round the dead units", edge))
    middle = median(signals.dead)
    warned = signals.open.get("dead-units")
    over = DEAD_INFORMATION_OVER if warned and warned.severity == "information" else DEAD_OVER
    return Reading((middle >= DEAD_INFORMATION, middle >= DEAD), middle < over, lambda edge: _describe_dead(signals, middle, edge))


def _describe_dead(signals: Signals, middle: float, edge: Edge) -> Finding:
    line = DEAD if edge.severity == "critical" else DEAD_INFORMATION
    numbers = {"dead": middle, "threshold": line, "since": edge.since}
    if edge.state == "closed":
        brief = f"at most {middle:.0%} of a layer's units are dead"
        return Finding([], Evidence(brief=brief, sentence=brief, numbers=numbers))
    shares = {row: share for row, share in enumerate(signals.column(signals.frame.dead)) if share is not None}
    hit = [row for row, share in shares.items() if share >= line]
    median_of = "" if hit else ", median of three frames"
    hit = hit or [max(shares, key=lambda row: shares[row])]
    least, most = (f"{choose(shares[row] for row in hit):.0%}" for choose in (min, max))
    found = most if least == most else f"{least} to {most}"
    brief = f"{found} of a layer's units are dead since step {edge.since}"
    sentence = (
        f"{found} of the units of {_places(signals, hit, list(shares))} are dead on every example"
        f" (threshold {line:.0%}{median_of}), since step {edge.since}: no gradient passes"
    )
    return Finding(signals.names(hit), Evidence(brief=brief, sentence=sentence, numbers=numbers))


def _places(signals: Signals, hit: Sequence[int], measured: Sequence[int]) -> str:
    """Layers by name; those that follow each other among the measured ones as a range."""
    ranges: list[list[int]] = []
    for row in hit:
        if ranges and measured.index(row) == measured.index(ranges[-1][-1]) + 1:
            ranges[-1].append(row)
        else:
            ranges.append([row])
    return listed([span_of(signals.names(found)) for found in ranges])


def saturated(signals: Signals) -> Reading | None:
    """Tanh or sigmoid outputs where the slope is under a tenth of its maximum, mean over layers. Information: many learn so."""
    shares = signals.column(signals.frame.saturated)
    if not shares or signals.broken:
        return None
    if not _measured(shares):
        return Reading((False,), True, lambda edge: _no_longer("no layer has a tanh or a sigmoid", edge))
    middle = median(signals.saturated)
    return Reading((middle >= SATURATED,), middle < SATURATED_OVER, lambda edge: _describe_saturated(signals, middle, edge))


def _describe_saturated(signals: Signals, middle: float, edge: Edge) -> Finding:
    shares = signals.column(signals.frame.saturated)
    hit = [row for row, share in enumerate(shares) if share is not None and share >= SATURATED]
    brief = f"{middle:.0%} of the outputs are saturated"
    sentence = (
        f"{brief}, mean over layers (threshold {SATURATED:.0%}), since step {edge.since}: little gradient passes there, yet many learn so"
    )
    numbers = {"saturated": middle, "threshold": SATURATED, "since": edge.since}
    return Finding(signals.names(hit), Evidence(brief=brief, sentence=brief if edge.state == "closed" else sentence, numbers=numbers))


def underflow(signals: Signals) -> Reading | None:
    """In fp16, delta times the loss scale comes near 2^-25, under which nothing is kept (Micikevicius 2018); or half of a layer's
    gradient entries that are not 0 yet are subnormal, which tells also where neither delta nor the precision is known."""
    if signals.broken:
        return None
    if signals.settings.get("precision", "fp16") != "fp16":
        return Reading((False, False), True, lambda edge: _no_longer("gradients are no longer in fp16", edge))
    exponents, fading = _exponents(signals), _fading(signals)
    if not exponents and not fading:
        return None
    low = {row for exponent, row in exponents if exponent <= UNDERFLOW} | {row for share, row in fading if share >= SUBNORMAL}
    dead = signals.column(signals.frame.dead)
    gone = any(exponent == -math.inf and not (dead and dead[row] == 1) for exponent, row in exponents)
    over = all(exponent > UNDERFLOW_OVER for exponent, _ in exponents) and all(share < SUBNORMAL_OVER for share, _ in fading)
    learned = signals.curves.learned  # 3 of 3 trainings that a loss scale of 2^14 had cured, score .96 to .97, were warned of
    return Reading(
        (bool(low) and not learned, gone),
        over or (learned and not gone),
        lambda edge: _describe_underflow(signals, exponents, fading, sorted(low), edge),
    )


def _exponents(signals: Signals) -> list[tuple[float, int]]:
    """log2 of delta times the loss scale, and its row, for the rows of the profiles; none unless this is known to be fp16."""
    delta = signals.column(signals.frame.delta_rms)
    scale = signals.settings.get("loss_scale", 1.0)
    if not delta or signals.settings.get("precision") != "fp16" or isinstance(scale, str) or not scale > 0:
        return []
    rows = [row for window in signals.windows if window.profile for row in window.profile.indices]
    known = [(row, value) for row in rows if (value := delta[row]) is not None and math.isfinite(value)]
    return [(math.log2(value * scale) if value > 0 else -math.inf, row) for row, value in known]


def _fading(signals: Signals) -> list[tuple[float, int]]:
    """The share of subnormal entries among a layer's gradient entries that are not 0, and its row. Zeros are left out: ReLUs make them."""
    zero, subnormal = signals.column(signals.frame.grad_zero), signals.column(signals.frame.grad_subnormal)
    known = [(share, zeros or 0.0, row) for row, (share, zeros) in enumerate(zip(subnormal, zero, strict=False)) if share is not None]
    return [(share / (1 - zeros), row) for share, zeros, row in known if zeros < 1]


def _describe_underflow(
    signals: Signals, exponents: list[tuple[float, int]], fading: list[tuple[float, int]], low: list[int], edge: Edge
) -> Finding:
    exponent, row = min(exponents, default=(math.inf, -1))
    share, faded = max(fading, default=(0.0, row))
    by_delta = exponent <= UNDERFLOW or (bool(exponents) and share < SUBNORMAL)
    name = spoken(full_name(signals.layers[row if by_delta else faded]))
    if by_delta:
        size = "exactly 0" if exponent == -math.inf else f"about 2^{exponent:.0f}"
        brief = f"δ of {name} is {size} in fp16"
        why = f"with the loss scale (threshold 2^{UNDERFLOW:g}), since step {edge.since}: what is under 2^-25 becomes 0"
        numbers = {"exponent": exponent, "threshold": UNDERFLOW, "since": edge.since}
    else:
        brief = f"{share:.0%} of the gradient of {name} is subnormal"
        why = f"(threshold {SUBNORMAL:.0%}), since step {edge.since}: digits are lost already, and zeros come next"
        numbers = {"subnormal": share, "threshold": SUBNORMAL, "since": edge.since}
    sentence = f"{brief} again" if edge.state == "closed" and by_delta else brief if edge.state == "closed" else f"{brief} {why}"
    return Finding(signals.names(low), Evidence(brief=brief, sentence=sentence, numbers=numbers))


def _measured(numbers: Numbers) -> bool:
    return any(number is not None for number in numbers)


def _no_longer(brief: str, edge: Edge) -> Finding:
    return Finding([], Evidence(brief=brief, sentence=brief, numbers={"since": edge.since}))
