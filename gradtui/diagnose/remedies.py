"""Which toggle to try against an open warning: the table for what the network is, without what would be of no use here.

A remedy is only named where the run offers the toggle, it applies, and it is not so set already.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from gradtui.diagnose import remedy_table as table
from gradtui.diagnose.loss_rules import COEFFICIENT, PLATEAU_OVER
from gradtui.diagnose.profile import TIME
from gradtui.diagnose.profile_rules import EXPLODING_INIT, falling
from gradtui.diagnose.remedy_table import FACTORS, Remedy
from gradtui.diagnose.signals import Signals, median
from gradtui.diagnose.unit_rules import DEAD_INFORMATION
from gradtui.diagnose.update_rules import first_update
from gradtui.diagnose.warnings import Try
from gradtui.stream.events import Toggle, Value

EXPLODED_FIRST = 1.0
"""Decades at the first frame from which a recurrent network that vanishes now is taken to have been thrown there by its
gradient's explosion: one large step saturates it."""

TYPICAL_UPDATE = 1e-3
"""Of a layer's norm a step: the median over networks that learned is 1.7 times this."""

OUTCOMES = ("plateau", "update-too-small", "dead-units", "divergence", "non-finite", "update-too-large", "symmetry")
"""What may be another warning's doing, and then wants that one's remedy."""
SPOILT = ("plateau", "dead-units", "divergence", "update-too-large")
"""Those that tell that underflow's noise has spoilt the weights: a loss scale from step 20 on scored 0.88, mean of three seeds; from 50
on 0.48 and from 100 on 0.31 on one of them, while the other two were NaN by then."""
BEHIND_ALL = ("underflow",)
BEHIND = ("non-finite", "vanishing", "dead-units", "symmetry", "clipping-too-low", "exploding")


def tries(code: str, signals: Signals) -> list[Try]:
    """What to try, best evidence first."""
    if code == "update-too-small" and signals.forgotten:
        return []  # no setting gives an optimizer what the loop did not
    causes = [cause for cause in BEHIND_ALL if cause in signals.open and code in OUTCOMES]
    if code in ("plateau", "update-too-small") and not causes:
        causes = [cause for cause in BEHIND if cause in signals.open]
    found = tries(causes[0], signals) if causes else _offered(signals, _remedies(code, signals))
    late = code == "non-finite" or (code in SPOILT and causes[:1] == list(BEHIND_ALL)) or _thrown(code, signals)
    return [_after_restart(fix) for fix in found] if late else found


def _thrown(code: str, signals: Signals) -> bool:
    """Whether updates as large as the weights followed a growing profile of the first frame: even batch norm from step 1 on is
    in vain then."""
    large = code == "update-too-large" or (code == "exploding" and "update-too-large" in signals.open)
    return large and _grew_at_first(signals, EXPLODING_INIT)


def _after_restart(fix: Try) -> Try:
    head = "then restart, the damage is done: "
    return fix if fix.why.startswith(head) else msgspec.structs.replace(fix, why=f"{head}{fix.why}")


def _remedies(code: str, signals: Signals) -> tuple[Remedy, ...]:
    match code:
        case "vanishing" | "penalty-hides-vanishing":
            return _vanishing(signals)
        case "exploding":
            return _exploding(signals)
        case "dead-units":
            return _dead(signals)
        case "clipping-too-low":
            return _low_clipping(signals)
        case "update-too-large" | "divergence":
            return _large_updates(signals)
        case "non-finite":
            return _exploding(signals) if "exploding" in signals.open else _large_updates(signals)
        case "update-too-small" if falling(signals):
            return _vanishing(signals)
        case "update-too-small" if "exploding" in signals.seen and not _left_chance(signals):
            return _restarted(_exploding(signals))
        case "update-too-small":
            return table.CLIPPED_WEIGHTS if _weights_clipped(signals) else _small_updates(signals)
        case "plateau" if "exploding" in signals.seen:
            return _restarted(_exploding(signals))
        case "plateau" if falling(signals):
            return _vanishing(signals)
        case "plateau" if "update-too-small" in signals.open:
            return _small_updates(signals)
        case "plateau" if _unsettled_transformer(signals):
            return table.TRANSFORMER
    return _ALWAYS.get(code, ())


_ALWAYS = {
    "symmetry": table.SYMMETRY,
    "underflow": table.UNDERFLOW,
    "saturated": table.SATURATED,
}
"""Where the remedy does not depend on the network."""


def _vanishing(signals: Signals) -> tuple[Remedy, ...]:
    if _in_time(signals):
        return _restarted(table.EXPLODING_TIME) if _grew_at_first(signals, EXPLODED_FIRST) else table.VANISHING_TIME
    if _weights_clipped(signals):
        return table.CLIPPED_WEIGHTS
    if _unsettled_transformer(signals):
        return table.TRANSFORMER
    tables = {"sigmoid": table.VANISHING_SIGMOID, "tanh": table.VANISHING_TANH}
    return tables.get(str(signals.settings.get("activation")), table.VANISHING_RELU)


def _dead(signals: Signals) -> tuple[Remedy, ...]:
    """What killed the units would kill their successors, unless batch norm holds their inputs where they are alive."""
    norms = signals.column(signals.frame.weight_norm)
    if any(norms[row] == 0 for row in signals.weights if norms):
        return table.ZERO_WEIGHTS
    if _weights_clipped(signals):
        return table.CLIPPED_WEIGHTS
    if _unsettled_transformer(signals):
        return table.TRANSFORMER
    return table.KILLED if _killed(signals) else table.DEAD


def _low_clipping(signals: Signals) -> tuple[Remedy, ...]:
    """Ten times the threshold, which is measured; where that would leave too little still, as many powers of ten as it takes."""
    left = median([coefficient for _, coefficient in signals.curves.clipping]) if signals.curves.clipping else 1.0
    decades = math.ceil(math.log10(COEFFICIENT / left)) if left > 0 else 1
    if decades <= 1:
        return table.LOW_CLIPPING
    why = f"clipping leaves {left:.2g} of the gradient: with {10**decades:,} times the threshold it leaves {10**decades * left:.2g}"
    return (*(remedy for remedy in table.LOW_CLIPPING if remedy[0] == "clip"), ("clip_threshold", 10.0**decades, why))


def _small_updates(signals: Signals) -> tuple[Remedy, ...]:
    """Ten times the learning rate, or a hundred times where even so the first layer moves no faster than those of networks that
    learned: on 4 ReLU layers at a rate of 1e-5 ten times scored 0.44, a hundred times 0.91."""
    found = first_update(signals)
    decades = int(math.log10(TYPICAL_UPDATE / found[0])) if found and found[0] > 0 else 1
    factor = 10.0 ** max(1, min(decades, 2))
    return tuple((key, factor if key == "lr" else value, why) for key, value, why in table.SMALL_UPDATES)


def _killed(signals: Signals) -> bool:
    """By updates: one too large was seen, or the units were alive at first and no gradient vanishes. A frame every ten steps
    mostly misses the one step that does it."""
    were_alive = signals.first_dead is not None and signals.first_dead < DEAD_INFORMATION
    return "update-too-large" in signals.seen or (were_alive and "vanishing" not in signals.seen and not falling(signals))


def _exploding(signals: Signals) -> tuple[Remedy, ...]:
    if _in_time(signals):
        return table.EXPLODING_TIME
    if _unsettled_transformer(signals):
        return table.TRANSFORMER
    if signals.settings.get("batch_norm", "off") != "off":
        return table.EXPLODING_NORMALISED
    return table.EXPLODING_TANH if signals.settings.get("activation") in ("tanh", "sigmoid") else table.EXPLODING_RELU


def _large_updates(signals: Signals) -> tuple[Remedy, ...]:
    if _in_time(signals):
        return table.EXPLODING_TIME
    if _unsettled_transformer(signals):
        return table.TRANSFORMER
    return _exploding(signals) if _grew_at_first(signals, EXPLODING_INIT) else table.LARGE_UPDATES


def _in_time(signals: Signals) -> bool:
    return any(window.where.axis == TIME for window in signals.windows)


def _grew_at_first(signals: Signals, decades: float) -> bool:
    """Whether some profile grew by so much toward the input in the first frame, before any update: the draw is the cause."""
    return any(window.first_tilt is not None and window.first_tilt >= decades for window in signals.windows)


def _left_chance(signals: Signals) -> bool:
    """Whether the loss is clearly under a constant guess's: then what happened before did not stop it."""
    trivial, mean = signals.curves.trivial_loss, signals.curves.plateau_loss
    return trivial is not None and mean is not None and mean < PLATEAU_OVER * trivial


def _weights_clipped(signals: Signals) -> bool:
    """A critic whose weights are clamped: what its profile does is their doing."""
    return signals.settings.get("lipschitz") == "clip_weights"


def _unsettled_transformer(signals: Signals) -> bool:
    """One whose layer normalisation can come before each branch, and does not."""
    offers = any(toggle.key == "layer_norm" and toggle.applies and "pre" in toggle.choices for toggle in signals.hello.toggles)
    return offers and signals.settings.get("layer_norm") != "pre"


def _restarted(remedies: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """Remedies that prevent and cannot undo."""
    return tuple((key, value, f"then restart, it exploded first: {why}") for key, value, why in remedies)


def _offered(signals: Signals, remedies: Iterable[Remedy]) -> list[Try]:
    toggles = {toggle.key: toggle for toggle in signals.hello.toggles if toggle.applies}
    found = []
    for key, value, why in remedies:
        beside = table.BESIDE.get((key, value), {})
        toggle = toggles.get(key) if beside.keys() <= toggles.keys() else None
        resolved = _resolve(signals, toggle, value) if toggle else None
        if resolved is not None:
            unset = {other: wanted for other, wanted in beside.items() if signals.settings.get(other) != wanted}
            found.append(Try(toggle=key, value=resolved, why=why, with_=unset))
    return found


def _resolve(signals: Signals, toggle: Toggle, value: Value) -> Value | None:
    """The value to set, or None where it is in force already or not on offer."""
    now = signals.settings.get(toggle.key, toggle.value)
    if toggle.key in FACTORS:
        value = float(f"{float(now) * float(value):.6g}")
    elif toggle.choices:
        return value if value in toggle.choices and value != now else None
    above = toggle.minimum is None or float(value) >= toggle.minimum
    below = toggle.maximum is None or float(value) <= toggle.maximum
    return value if above and below and value != now else None
