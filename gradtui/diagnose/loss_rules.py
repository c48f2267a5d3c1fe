"""Divergence, plateau, and clipping that has become the learning rate: the rules that read the run's curves.

Losses are compared with the run's own or with a constant guess's, norms with each other, so a constant that multiplies
the loss changes nothing.
"""

from __future__ import annotations

from gradtui.diagnose.curves import STAGNANT_STEPS
from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.profile_rules import falling
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.warnings import Evidence

# 36 of 36 runs that ended in NaN late, a median of 8 steps before; 6 alarms on 321 that learned.
DIVERGED = 3.0
DIVERGED_FIRST = 1.5

# Once: 4 of 273 that failed and nothing else found, but also 5 of 402 that learned in the end; on eight frames in a row 1 and 0.
RELAPSE = 0.5
"""The share of what a loss had gained that it has given back."""
RELAPSE_OVER = 0.25
GAINED = 0.3
"""Of the first loss, or of a constant guess's where that is lower: the least that can be lost again."""

# At step 100: 75 of 75 vanishing, 48 of 49 dead, 17 alarms on 321; at step 200: 75, 49 and 3.
PLATEAU = 0.95
PLATEAU_OVER = 0.9
PLATEAU_FROM = 100
PLATEAU_SURE = 200

# Two of 73 that failed and nothing else found, no alarm on 81 that learned; over 100 steps in place of 150 one.
STAGNANT = 0.7
STAGNANT_OVER = 0.6
STAGNANT_FALL = 0.05
STAGNANT_FALL_OVER = 0.1

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
    """The mean of five losses has given back half of what it had gained, which many get over; critical at three times the lowest
    such mean so far, and above the first loss by half."""
    first, lowest, mean = signals.curves.first_loss, signals.curves.lowest_mean, signals.curves.mean_loss
    if first is None or lowest is None or mean is None or not (first > 0 and lowest > 0 and mean > 0):
        return None  # a loss that can be negative has no ratios
    start = min(first, signals.curves.trivial_loss or first)
    # Two networks that train against each other win and lose by turns.
    gained = lowest <= (1 - GAINED) * start and len(signals.trainable) == 1
    lost = (mean - lowest) / (start - lowest) if gained else 0.0
    met = (lost > RELAPSE, lost > RELAPSE, mean > DIVERGED * lowest and mean > DIVERGED_FIRST * first)
    return Reading(met, mean <= first and lost <= RELAPSE_OVER, lambda edge: _describe_divergence(mean, lowest, first, lost, edge))


def _describe_divergence(mean: float, lowest: float, first: float, lost: float, edge: Edge) -> Finding:
    numbers = {"loss": mean, "lowest": lowest, "first": first, "lost": lost, "threshold": DIVERGED, "since": edge.since}
    if edge.state == "closed":
        return Finding(
            [], Evidence(brief="the loss is back", sentence=f"the loss is back at {mean:.3g}, not above its first", numbers=numbers)
        )
    if edge.severity == "critical":
        brief = f"the loss is {mean / lowest:.3g} times its lowest"
        sentence = (
            f"{brief} ({mean:.3g} against {lowest:.3g}, means of five; threshold {DIVERGED:g}), since step {edge.since}: it runs away"
        )
    else:
        brief = f"the loss has given back {lost:.0%} of what it had gained"
        numbers["threshold"] = RELAPSE
        sentence = (
            f"{brief} ({mean:.3g} after {lowest:.3g}, means of five, and {first:.3g} at first; threshold {RELAPSE:.0%}),"
            f" since step {edge.since}: what was learned is lost"
        )
    return Finding([], Evidence(brief=brief, sentence=sentence, numbers=numbers))


def plateau(signals: Signals) -> Reading | None:
    """The loss is still that of a constant guess, or not far under it and falls no further: an outcome, whose cause another
    warning names, or none. What a network that has just been changed has not learned yet says nothing of the change."""
    trivial, mean = signals.curves.trivial_loss, signals.curves.plateau_loss
    if trivial is None or mean is None or signals.broken:
        return None
    share, steps = mean / trivial, signals.frame.step - signals.changed
    fall = signals.curves.improvement if share >= STAGNANT_OVER else None  # of a loss well under it nobody asks
    stagnant = share >= STAGNANT and steps >= PLATEAU_SURE and fall is not None and fall < STAGNANT_FALL
    falls = fall is None or fall >= STAGNANT_FALL_OVER
    met = (share >= PLATEAU and steps >= PLATEAU_FROM, stagnant, share >= PLATEAU and steps >= PLATEAU_SURE)
    return Reading(met, share < PLATEAU_OVER and falls, lambda edge: _describe_plateau(signals, share, fall or 0.0, trivial, edge))


def _describe_plateau(signals: Signals, share: float, fall: float, trivial: float, edge: Edge) -> Finding:
    numbers = {"share": share, "trivial": trivial, "threshold": PLATEAU, "since": edge.since}
    brief = f"the loss is {share:.0%} of a constant guess's"
    if edge.state == "closed":
        return Finding([], Evidence(brief=brief, sentence=f"{brief} ({_why_closed(signals, share, fall)})", numbers=numbers))
    if share >= PLATEAU:
        sentence = f"{brief} ({trivial:.3g}; threshold {PLATEAU:.0%}) at step {signals.frame.step}: nothing is learned"
    else:
        numbers |= {"threshold": STAGNANT, "fall": fall}
        brief += " and falls no further"
        within = f"threshold {STAGNANT:.0%}; {max(0.0, fall):.1%} less than {STAGNANT_STEPS} steps ago, threshold {STAGNANT_FALL:.0%}"
        sentence = f"{brief} ({trivial:.3g}; {within}) at step {signals.frame.step}: learning has stopped"
    return Finding([], Evidence(brief=brief, sentence=f"{sentence}; {_cause(signals)}", numbers=numbers))


def _why_closed(signals: Signals, share: float, fall: float) -> str:
    """By what had opened it: a loss that fell no further need not have come down to where one of a constant guess closes."""
    if signals.open["plateau"].evidence.numbers["threshold"] != STAGNANT:
        return f"closes under {PLATEAU_OVER:.0%}"
    if share < STAGNANT_OVER:
        return f"closes under {STAGNANT_OVER:.0%}"
    return f"{fall:.0%} less than {STAGNANT_STEPS} steps ago; closes at {STAGNANT_FALL_OVER:.0%}"


def _cause(signals: Signals) -> str:
    """What a loss that does not fall may come from."""
    causes = [code for code in CAUSES if code in signals.open]
    past = [code for code in CAUSES if code in signals.seen]
    if causes:
        return f"see {', '.join(causes)}"
    if falling(signals):
        return "no warning names a cause yet, but δ falls by decades on its way back to the first layers"
    if past:
        return f"the gradients look healthy now, but see {', '.join(past)}, which closed"
    if not any(window.records for window in signals.windows):
        return "no warning names a cause, but δ was not measured, so the gradients may be it"
    return "the gradients look healthy, so they are not the reason"


def clipping_too_low(signals: Signals) -> Reading | None:
    """Clipping acts on nearly every step and leaves under a hundredth: the threshold has become the learning rate. Not an adaptive
    optimizer's: it divides by the gradient's size, and takes a constant factor out again."""
    if signals.settings.get("clip") == "off":
        return Reading((False, False), True, lambda edge: _no_matter("clipping is off", edge))
    if signals.adaptive:
        return Reading((False, False), True, lambda edge: _no_matter("the optimizer takes the gradient's size out again", edge))
    window = signals.curves.clipping
    if len(window) < CLIP_RECORDS:
        return None
    coefficients = [coefficient for _, coefficient in window]
    share = sum(coefficient < 1 for coefficient in coefficients) / len(coefficients)
    middle = median(coefficients)
    acting = share >= CLIPPED and middle < COEFFICIENT
    extent = window[-1][0] - window[0][0]
    met = (acting and extent >= CLIP_STEPS[0], acting and extent >= CLIP_STEPS[1])
    return Reading(met, share < CLIPPED_OVER, lambda edge: _describe_clipping(share, middle, window[0][0], edge))


def _no_matter(brief: str, edge: Edge) -> Finding:
    return Finding([], Evidence(brief=brief, sentence=brief, numbers={"since": edge.since}))


def _describe_clipping(share: float, middle: float, since: int, edge: Edge) -> Finding:
    """`since`: where the window begins that it holds in, long before it is long enough to say so."""
    numbers = {"share": share, "coefficient": middle, "threshold": COEFFICIENT, "since": since}
    brief = f"clipping acts on {share:.0%} of the steps"
    if edge.state == "closed":
        return Finding([], Evidence(brief=brief, sentence=f"{brief} (closes under {CLIPPED_OVER:.0%})", numbers=numbers))
    sentence = (
        f"{brief} and leaves {middle:.2g} of the gradient (threshold {COEFFICIENT:g}), since step {since}: it is now the learning rate"
    )
    return Finding([], Evidence(brief=f"{brief} and leaves {middle:.2g}", sentence=sentence, numbers=numbers))
