"""Which toggle to try against a pathology, best measured evidence first.

The scores are (accuracy - chance) / (1 - chance) at the end of short trainings of small networks on the digits, mean of
three seeds, with the fix in force from the first step; 0.00 is chance. A remedy is only named where the run offers the
toggle, it applies, and it is not so set already.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gradtui.diagnose.profile import TIME
from gradtui.diagnose.signals import Signals
from gradtui.diagnose.warnings import Try
from gradtui.stream.events import Toggle, Value

Remedy = tuple[str, Value, str]
"""A toggle, its value (of those in FACTORS: a factor on what is in force), and the evidence."""

FACTORS = ("lr", "clip_threshold")

_VANISHING_SIGMOID: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.00 to 0.99 on 8 sigmoid layers"),
    ("activation", "elu", "score 0.00 to 0.98 on 8 sigmoid layers"),
    ("activation", "tanh", "score 0.00 to 0.98 on 8 sigmoid layers"),
    ("skip", "scaled", "score 0.00 to 0.98 on 20 tanh layers, and a skip 0.98 on 8 sigmoid layers"),
)
_VANISHING_TANH: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("batch_norm", "on", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("init", "orthogonal", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("init", "xavier", "score 0.00 to 0.96 on 20 tanh layers with small weights"),
)
_VANISHING_RELU: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.02 to 0.97 on 30 ReLU layers; a plain skip without normalisation ends in NaN"),
    ("activation", "elu", "score 0.02 to 0.96 on 30 ReLU layers"),
    ("activation", "tanh", "score 0.02 to 0.96 on 30 ReLU layers"),
    ("optimizer", "adam", "score 0.02 to 0.91 on 30 ReLU layers"),
    ("batch_norm", "on", "score 0.02 to 0.89 on 30 ReLU layers"),
    ("init", "he", "score 0.02 to 0.70 on 30 ReLU layers (0.54 to 0.89 by seed)"),
)
_VANISHING_TIME: tuple[Remedy, ...] = (
    ("cell", "lstm", "score 0.02 to 1.00 over a lag of 30 steps, with a forget-gate bias of 1"),
    ("init", "orthogonal", "score 0.02 to 1.00 over a lag of 30 steps"),
    ("init", "xavier", "score 0.02 to 1.00 over a lag of 30 steps"),
)
_EXPLODING_RELU: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score from NaN to 0.96 on 20 ReLU layers with large weights"),
    ("activation", "tanh", "score from NaN to 0.92 on 20 ReLU layers with large weights"),
    ("init", "he", "score from NaN to 0.87 on 20 ReLU layers with large weights"),
    ("clip", "norm", "rescues partly: score from NaN to 0.66 on 20 ReLU layers with large weights"),
)
_EXPLODING_TANH: tuple[Remedy, ...] = (
    ("init", "orthogonal", "score 0.43 to 0.98 on 20 tanh layers with large weights"),
    ("batch_norm", "on", "score 0.43 to 0.97 on 20 tanh layers with large weights"),
    ("init", "xavier", "score 0.43 to 0.96 on 20 tanh layers with large weights"),
    ("l2", 0.01, "score 0.43 to 0.89 on 20 tanh layers with large weights; clipping by norm took it to 0.01"),
)
_EXPLODING_NORMALISED: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.00 to 0.99 on 50 batch-normalised ReLU layers: batch norm itself multiplies the gradient"),
    ("activation", "tanh", "score 0.00 to 0.76 on 50 batch-normalised layers"),
    ("batch_norm", "off", "score 0.00 to 0.60 on 50 ReLU layers"),
)
_EXPLODING_TIME: tuple[Remedy, ...] = (
    ("clip", "norm", "score 0.11 to 1.00 on a recurrent network over 30 steps"),
    ("clip", "value", "score 0.11 to 1.00 on a recurrent network over 30 steps, at 0.01"),
    ("optimizer", "adam", "score 0.11 to 1.00 on a recurrent network over 30 steps"),
    ("lr", 0.1, "score 0.11 to 0.97 on a recurrent network over 30 steps"),
)
_LARGE_UPDATES: tuple[Remedy, ...] = (
    ("lr", 0.1, "score 0.01 to 0.98 on 5 ReLU layers at too high a learning rate"),
    ("clip", "norm", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate"),
    ("optimizer", "adam", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate, with Adam's own"),
    ("batch_norm", "on", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate"),
)
_DEAD: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.00 to 0.98 on 3 ReLU layers dead from the start"),
    ("activation", "elu", "score 0.00 to 0.98 on 3 ReLU layers dead from the start; a leaky slope of 0.01 left it at 0.00"),
    ("activation", "tanh", "score 0.00 to 0.98 on 3 ReLU layers dead from the start"),
)
_ZERO_WEIGHTS: tuple[Remedy, ...] = (("init", "he", "score 0.00 to 0.97 on 3 layers of zeros, where nothing else helped"),)
_KILLED: tuple[Remedy, ...] = (
    ("lr", 0.1, "after a restart: score 0.01 to 0.98 on 5 ReLU layers that a high learning rate killed; leaky and ELU ended in NaN"),
    ("clip", "norm", "after a restart: score 0.01 to 0.97 on 5 ReLU layers that a high learning rate killed"),
    ("batch_norm", "on", "score 0.01 to 0.97 on 5 ReLU layers that a high learning rate killed"),
)


_SMALL_UPDATES: tuple[Remedy, ...] = (
    ("optimizer", "adam", "score 0.05 to 0.98 on 4 ReLU layers at too low a learning rate, with Adam's own"),
    ("lr", 10.0, "networks that learned moved by a thousandth of their norm a step"),
)
_UNDERFLOW: tuple[Remedy, ...] = (
    ("loss_scale", 16384.0, "score 0.00 to 0.98 on 6 ReLU layers in fp16"),
    ("precision", "fp32", "score 0.00 to 0.98 on 6 ReLU layers in fp16"),
    ("precision", "bf16", "score 0.00 to 0.97 on 6 ReLU layers in fp16"),
)
_LOW_CLIPPING: tuple[Remedy, ...] = (
    ("clip_threshold", 10.0, "a threshold of 10 for 1: score 0.01 to 0.47 on 20 tanh layers with large weights"),
    ("clip", "off", "score 0.01 to 0.43 on 20 tanh layers with large weights"),
)
_SATURATED: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.70 to 0.96 on 8 saturated sigmoid layers"),
    ("skip", "scaled", "a skip: score 0.70 to 0.91 on 8 saturated sigmoid layers"),
)


def tries(code: str, signals: Signals) -> list[Try]:
    """What to try against an open warning, best evidence first."""
    match code:
        case "vanishing":
            return _offered(signals, _vanishing(signals))
        case "exploding":
            return _offered(signals, _exploding(signals))
        case "penalty-hides-vanishing":
            return _offered(signals, _vanishing(signals))
        case "update-too-small" | "plateau":
            return _of_the_cause(code, signals)
        case "underflow":
            return _offered(signals, _UNDERFLOW)
        case "clipping-too-low":
            return _offered(signals, _LOW_CLIPPING)
        case "saturated":
            return _offered(signals, _SATURATED)
        case "update-too-large" | "divergence":
            return _offered(signals, _LARGE_UPDATES)
        case "dead-units":  # what killed the units would kill their successors
            return _offered(signals, _dead(signals))
        case "non-finite":
            before = _exploding(signals) if "exploding" in signals.open else _LARGE_UPDATES
            return [msgspec.structs.replace(fix, why=f"then restart, the damage is done: {fix.why}") for fix in _offered(signals, before)]
    return []


def _of_the_cause(code: str, signals: Signals) -> list[Try]:
    """Both are outcomes: what helps is what helps against the pathology behind them, if one is open."""
    for cause in ("non-finite", "vanishing", "underflow", "dead-units", "clipping-too-low", "exploding"):
        if cause in signals.open:
            return tries(cause, signals)
    return _offered(signals, _SMALL_UPDATES) if code == "update-too-small" or "update-too-small" in signals.open else []


def _vanishing(signals: Signals) -> tuple[Remedy, ...]:
    if _in_time(signals):
        return _VANISHING_TIME
    return {"sigmoid": _VANISHING_SIGMOID, "tanh": _VANISHING_TANH}.get(str(signals.settings.get("activation")), _VANISHING_RELU)


def _dead(signals: Signals) -> tuple[Remedy, ...]:
    norms = signals.column(signals.frame.weight_norm)
    if any(norms[row] == 0 for row in signals.weights if norms):
        return _ZERO_WEIGHTS
    return _KILLED if "update-too-large" in signals.seen else _DEAD


def _exploding(signals: Signals) -> tuple[Remedy, ...]:
    if _in_time(signals):
        return _EXPLODING_TIME
    if signals.settings.get("batch_norm", "off") != "off":
        return _EXPLODING_NORMALISED
    return _EXPLODING_TANH if signals.settings.get("activation") in ("tanh", "sigmoid") else _EXPLODING_RELU


def _in_time(signals: Signals) -> bool:
    return any(window.where.axis == TIME for window in signals.windows)


def _offered(signals: Signals, remedies: Iterable[Remedy]) -> list[Try]:
    toggles = {toggle.key: toggle for toggle in signals.hello.toggles if toggle.applies}
    found = []
    for key, value, why in remedies:
        toggle = toggles.get(key)
        resolved = _resolve(signals, toggle, value) if toggle else None
        if resolved is not None:
            found.append(Try(toggle=key, value=resolved, why=why))
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
