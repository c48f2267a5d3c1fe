"""Divergence, plateau, and clipping that has become the learning rate: the rules that read the run's curves.

Losses are compared with the run's own or with a constant guess's, norms with each other, so a constant that multiplies
the loss changes nothing.
"""

from __future__ import annotations

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.warnings import Evidence

# 36 of 36 runs that ended in NaN late, a median of 8 steps before; 6 alarms on 321 that learned.
DIVERGED = 3.0
DIVERGED_FIRST = 1.5

# At step 100: 75 of 75 vanishing, 48 of 49 dead, 17 alarms on 321; at step 200: 75, 49 and 3.
PLATEAU = 0.95
PLATEAU_OVER = 0.9
PLATEAU_FROM = 100
PLATEAU_SURE = 200

# Over 300 steps each of the four settings it found was harmful or useless; at 100 it also finds what clipping rescues.
CLIPPED = 0.95
CLIPPED_OVER = 0.8
COEFFICIENT = 0.01
CLIP_RECORDS = 10
CLIP_STEPS = (100, 300)
"""Steps of clipping after which it is information, and a warning."""

CAUSES = (
    "non-finite",
    "vanishing",
    "underflow",
    "dead-units",
    "no-gradient",
    "symmetry",
    "clipping-too-low",
    "exploding",
    "update-too-large",
    "update-too-small",
)
"""The warnings that a loss which does not fall can come from, the surest first."""


def divergence(signals: Signals) -> Reading | None:
    """The mean of five losses is three times the lowest such mean so far, and above the first loss by half."""
    first, lowest, mean = signals.curves.first_loss, signals.curves.lowest_mean, signals.curves.mean_loss
    if first is None or lowest is None or mean is None or not (first > 0 and lowest > 0 and mean > 0):
        return None  # a loss that can be negative has no ratios
    met = mean > DIVERGED * lowest and mean > DIVERGED_FIRST * first
    return Reading((met,), mean <= first, lambda edge: _describe_divergence(mean, lowest, first, edge))


def _describe_divergence(mean: float, lowest: float, first: float, edge: Edge) -> Finding:
    numbers = {"loss": mean, "lowest": lowest, "first": first, "threshold": DIVERGED, "since": edge.since}
    brief = f"the loss is {mean / lowest:.3g} times its lowest"
    if edge.state == "closed":
        return Finding(
            [], Evidence(brief="the loss is back", sentence=f"the loss is back at {mean:.3g}, not above its first", numbers=numbers)
        )
    sentence = f"{brief} ({mean:.3g} against {lowest:.3g}, means of five; threshold {DIVERGED:g}), since step {edge.since}: it runs away"
    return Finding([], Evidence(brief=brief, sentence=sentence, numbers=numbers))


def plateau(signals: Signals) -> Reading | None:
    """The loss is still that of a constant guess: an outcome, whose cause another warning names, or none."""
    trivial, mean = signals.curves.trivial_loss, signals.curves.plateau_loss
    if trivial is None or mean is None or signals.broken:
        return None
    share = mean / trivial
    step = signals.frame.step
    met = (share >= PLATEAU and step >= PLATEAU_FROM, share >= PLATEAU and step >= PLATEAU_SURE)
    return Reading(met, share < PLATEAU_OVER, lambda edge: _describe_plateau(signals, share, trivial, edge))


def _describe_plateau(signals: Signals, share: float, trivial: float, edge: Edge) -> Finding:
    numbers = {"share": share, "trivial": trivial, "threshold": PLATEAU, "since": edge.since}
    brief = f"the loss is {share:.0%} of a constant guess's"
    if edge.state == "closed":
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes under {PLATEAU_OVER:.0%})", numbers=numbers))
    causes = [code for code in CAUSES if code in signals.open]
    past = [code for code in CAUSES if code in signals.seen]
    if causes:
        cause = f"see {', '.join(causes)}"
    elif past:
        cause = f"the gradients look healthy now, but see {', '.join(past)}, which closed"
    elif not any(window.records for window in signals.windows):
        cause = "no warning names a cause, but δ was not measured, so the gradients may be it"
    else:
        cause = "the gradients look healthy, so they are not the reason"
    sentence = f"{brief} ({trivial:.3g}; threshold {PLATEAU:.0%}) at step {signals.frame.step}: nothing is learned; {cause}"
    return Finding([], Evidence(brief=brief, sentence=sentence, numbers=numbers))


def clipping_too_low(signals: Signals) -> Reading | None:
    """Clipping acts on nearly every step and leaves under a hundredth: the threshold has become the learning rate."""
    if signals.settings.get("clip") == "off":
        return Reading((False, False), True, _not_clipping)
    window = signals.curves.clipping
    if len(window) < CLIP_RECORDS:
        return None
    coefficients = [coefficient for _, coefficient in window]
    share = sum(coefficient < 1 for coefficient in coefficients) / len(coefficients)
    middle = median(coefficients)
    acting = share >= CLIPPED and middle < COEFFICIENT
    extent = window[-1][0] - window[0][0]
    met = (acting and extent >= CLIP_STEPS[0], acting and extent >= CLIP_STEPS[1])
    return Reading(met, share < CLIPPED_OVER, lambda edge: _describe_clipping(share, middle, edge))


def _not_clipping(edge: Edge) -> Finding:
    return Finding([], Evidence(brief="clipping is off", sentence="clipping is off", numbers={"since": edge.since}))


def _describe_clipping(share: float, middle: float, edge: Edge) -> Finding:
    numbers = {"share": share, "coefficient": middle, "threshold": COEFFICIENT, "since": edge.since}
    brief = f"clipping acts on {share:.0%} of the steps"
    if edge.state == "closed":
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes under {CLIPPED_OVER:.0%})", numbers=numbers))
    sentence = (
        f"{brief} and leaves {middle:.2g} of the gradient (threshold {COEFFICIENT:g}), since step {edge.since}: it is now the learning rate"
    )
    return Finding([], Evidence(brief=f"{brief} and leaves {middle:.2g}", sentence=sentence, numbers=numbers))
