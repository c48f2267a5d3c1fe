"""Vanishing and exploding: the rules that read the profile of delta along depth, or along time.

Their thresholds are decades between rows of one frame, so a constant that multiplies the loss moves none of them. They
were set on 561 small trainings (dense, convolutional, recurrent, transformer; healthy and sick); the comment at each
gives its rates there: sick ones found, and alarms on runs that learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.profile import DEPTH, TIME, Profile
from gradtui.diagnose.signals import ProfileWindow, Signals
from gradtui.diagnose.warnings import SEVERITIES, Evidence
from gradtui.diagnose.words import span_of, spoken

MIN_ROWS = 3
"""Hidden layers without which a profile has no slope to speak of."""

# Depth: 75 of 75 found, 4 of 234 alarms; at -3 72 and 2. Time: 22 of 22 and 3 of 53; at -4 19 and 1.
VANISHING_DEPTH = (-2.0, -3.0, -1.0)
"""Tilt, in decades, at or under which it is a warning, critical, and at or over which it is over."""
VANISHING_TIME = (-3.0, -4.0, -2.0)
VANISHING_MEDIAN = 5
VANISHING_FROM = 2
"""The first record judged, counted from 0."""

PENALTY = 10.0
"""The penalty's gradient over the data's, in every layer of the first quarter."""
PENALTY_OVER = 3.0

# At the first step +1.5: 55 of 56 found, 10 of 234 alarms; +2.2: 26 and 0. Running +2.0: 41 of 56 and 2 of 287; +1.5: 55 and 29.
EXPLODING_INIT = 1.5
EXPLODING_INIT_CRITICAL = 2.2
EXPLODING = 2.0
EXPLODING_OVER = 1.5
EXPLODING_MEDIAN = 3
CONFIRMING = ("update-too-large", "divergence", "non-finite")
"""Out of sample a growing profile alone was right half of the time: it stays information until one of these is open too."""


def vanishing(signals: Signals) -> Reading | None:
    """Delta falls by decades from the last hidden layer, or time step, back to the first (Hochreiter 1991; Glorot 2010).

    Needs delta: weight gradients hide it, since activations shrink forward as fast as delta shrinks backward.
    """
    windows = _judged(signals)
    if not windows:
        return None
    readings = [_falls(signals, window) for window in windows]
    met = any(reading[0] for reading in readings)
    critical = any(reading[1] for reading in readings)
    worst = min(windows, key=lambda window: window.median(VANISHING_MEDIAN) - _vanishing_lines(window)[0] if window.tilts else 0.0)
    return Reading((met, critical), all(reading[2] for reading in readings), lambda edge: _describe_vanishing(signals, worst, edge))


def _falls(signals: Signals, window: ProfileWindow) -> tuple[bool, bool, bool]:
    """Whether one profile is at the threshold, at the critical one, and clear of both."""
    if window.tilt is None or signals.broken or _died(signals, window):
        return False, False, False
    warning, critical, over = _vanishing_lines(window)
    middle = window.median(VANISHING_MEDIAN)
    judged = window.records > VANISHING_FROM
    return judged and middle <= warning, judged and middle <= critical, middle >= over


def falling(signals: Signals) -> bool:
    """Whether some profile is at its threshold in this very frame, before it has been there long enough to warn of."""
    return any(window.tilt is not None and window.tilt <= _vanishing_lines(window)[0] for window in _judged(signals))


def _vanishing_lines(window: ProfileWindow) -> tuple[float, float, float]:
    return VANISHING_TIME if window.where.axis == TIME else VANISHING_DEPTH


def _died(signals: Signals, window: ProfileWindow) -> bool:
    """Zeros that dead units or half precision explain: that is their warning, not this one."""
    if window.tilt is None or window.tilt > -math.inf:
        return False
    if signals.settings.get("precision") == "fp16":
        return True
    dead = signals.column(signals.frame.dead)
    return bool(dead) and any((dead[index] or 0.0) == 1.0 for index in window.where.indices)


def _describe_vanishing(signals: Signals, window: ProfileWindow, edge: Edge) -> Finding:
    assert window.profile is not None
    profile = window.profile
    line, _, over = _vanishing_lines(window)
    middle = window.median(VANISHING_MEDIAN)
    first, last = _ends(signals, profile)
    low = [index for index, log in zip(profile.indices, profile.logs, strict=True) if log <= profile.logs[-1] + line]
    low = low or list(_first_quarter(profile.indices))
    if edge.state == "closed":
        brief = f"δ within {abs(middle):.1f} decades" if middle <= 0 else f"δ grows {middle:.1f} decades"
        where = f"back within {abs(middle):.1f} decades of" if middle <= 0 else f"{middle:.1f} decades above"
        sentence = f"δ at {first} is {where} {last} (closes at {-over:g})"
    elif profile.span is None or profile.span == -math.inf:
        brief = f"δ is exactly 0 at {first} since step {edge.since}"
        sentence = f"δ is exactly 0 at {first}, smaller than its number format can hold, since step {edge.since}: nothing reaches it"
    else:
        fall = f"δ falls {-profile.span:.1f} decades over {_extent(profile)}"
        brief = f"{fall} since step {edge.since}"
        sentence = (
            f"{fall} from {last} back to {first} ({-middle:.1f} between their outer quarters, threshold {-line:g}),"
            f" since step {edge.since}: the first ones hardly learn"
        )
    return Finding(signals.names(low), _evidence(brief, sentence, window, line, edge))


def penalty_hides_vanishing(signals: Signals) -> Reading | None:
    """A vanished gradient under a regulariser's: the first layers' weights move and their gradients look alive, but the data
    has no part in it. 18 of 18 vanishing runs with L1 or L2 in the loss looked repaired by their weight gradients."""
    gradients, penalties = signals.column(signals.frame.grad_norm), signals.column(signals.frame.penalty_norm)
    windows = [window for window in _judged(signals) if window.where.axis == DEPTH and window.tilt is not None]
    if not gradients or not windows or signals.broken:
        return None
    ratios = []
    for window in windows:
        quarter = _first_quarter(window.where.indices)
        ratios.append((min(_over(penalties[row], gradients[row]) if penalties else 0.0 for row in quarter), window))
    ratio, window = max(ratios, key=lambda found: found[0])
    vanished = window.records > VANISHING_FROM and window.median(VANISHING_MEDIAN) <= VANISHING_DEPTH[0]
    cleared = ratio < PENALTY_OVER or window.median(VANISHING_MEDIAN) >= VANISHING_DEPTH[2]
    return Reading((vanished and ratio >= PENALTY,), cleared, lambda edge: _describe_penalty(signals, window, ratio, edge))


def _first_quarter(rows: Sequence[int]) -> Sequence[int]:
    return rows[: max(1, len(rows) // 4)]


def _over(penalty: float | None, gradient: float | None) -> float:
    if gradient is None or not penalty:
        return 0.0
    return penalty / gradient if gradient else math.inf


def _describe_penalty(signals: Signals, window: ProfileWindow, ratio: float, edge: Edge) -> Finding:
    quarter = _first_quarter(window.where.indices)
    names = signals.names(quarter)
    brief = f"the regulariser's gradient is {ratio:.3g} times the data's"
    evidence = _evidence(brief, f"{brief} in {span_of(names)}", window, PENALTY, edge)
    if edge.state != "closed":
        sentence = f"{brief} in {span_of(names)} (threshold {PENALTY:g}), since step {edge.since}: the weights move, but learn nothing"
        evidence = _evidence(brief, sentence, window, PENALTY, edge)
    return Finding(names, evidence)


def exploding(signals: Signals) -> Reading | None:
    """Delta grows by decades back to the first layer or time step, at the first step or while it trains (Pascanu 2013)."""
    confirmed = any(code in signals.open and signals.open[code].severity != SEVERITIES[0] for code in CONFIRMING)
    windows = [window for window in _judged(signals) if window.tilt is not None]
    is_open = "exploding" in signals.open
    if not windows:
        return Reading((False, False, False, confirmed), False, _gone) if is_open else None
    worst = max(windows, key=lambda window: window.median(EXPLODING_MEDIAN))
    middle = worst.median(EXPLODING_MEDIAN)
    init = signals.at_init and middle >= EXPLODING_INIT
    stays = init or (is_open and middle > EXPLODING_OVER)
    harmful = init and middle >= EXPLODING_INIT_CRITICAL and not signals.adaptive  # whose steps are no longer for it
    met = (init, harmful, middle >= EXPLODING, stays and confirmed)
    return Reading(met, middle <= EXPLODING_OVER, lambda edge: _describe_exploding(signals, worst, edge), _mitigation(signals))


def _mitigation(signals: Signals) -> str:
    """Clipping leaves the profile as it is and bounds the step: it is in force, and the loss is finite and not above its start."""
    clips = signals.settings.get("clip", "off") != "off" and "clipping-too-low" not in signals.open
    start, mean = signals.curves.first_loss, signals.curves.mean_loss
    held = start is not None and mean is not None and mean <= start
    return "clipping" if clips and held else ""


def _gone(edge: Edge) -> Finding:
    brief = f"δ is no longer finite, exploding since step {edge.since}"
    sentence = f"δ grew back to the first layers since step {edge.since} and is no longer finite"
    return Finding([], Evidence(brief=brief, sentence=sentence, numbers={"since": edge.since}))


def _describe_exploding(signals: Signals, window: ProfileWindow, edge: Edge) -> Finding:
    assert window.profile is not None
    profile = window.profile
    middle = window.median(EXPLODING_MEDIAN)
    line = EXPLODING if middle >= EXPLODING and not signals.at_init else EXPLODING_INIT
    first, last = _ends(signals, profile)
    high = [index for index, log in zip(profile.indices, profile.logs, strict=True) if log >= profile.logs[-1] + EXPLODING_INIT]
    high = high or list(_first_quarter(profile.indices))
    if edge.state == "closed":
        brief = f"δ {'grows' if middle >= 0 else 'falls'} {abs(middle):.1f} decades"
        where = "above" if middle >= 0 else "below"
        sentence = f"δ at {first} is {abs(middle):.1f} decades {where} {last} (closes at {EXPLODING_OVER:g} above)"
    else:
        growth = f"δ grows {profile.span or middle:.1f} decades over {_extent(profile)}"
        brief = f"{growth} since step {edge.since}"
        sentence = (
            f"{growth} from {last} back to {first} ({middle:.1f} between their outer quarters, threshold {line:g}),"
            f" since step {edge.since}: one step can throw the first ones far off"
        )
    return Finding(signals.names(high), _evidence(brief, sentence, window, line, edge))


def _judged(signals: Signals) -> list[ProfileWindow]:
    """The profiles that this frame measured on enough rows."""
    return [window for window in signals.windows if window.profile is not None and len(window.profile.logs) >= MIN_ROWS]


def _ends(signals: Signals, profile: Profile) -> tuple[str, str]:
    first, last = signals.names([profile.indices[0], profile.indices[-1]])
    return spoken(first), spoken(last)


def _extent(profile: Profile) -> str:
    return f"{len(profile.logs)} {'time steps' if profile.axis == TIME else 'layers'}"


def _evidence(brief: str, sentence: str, window: ProfileWindow, threshold: float, edge: Edge) -> Evidence:
    profile = window.profile
    numbers = {"tilt": window.tilt, "span": profile.span if profile else None, "slope": profile.slope if profile else None}
    known = {key: value for key, value in numbers.items() if value is not None}
    return Evidence(brief=brief, sentence=sentence, numbers=known | {"threshold": threshold, "since": edge.since})
