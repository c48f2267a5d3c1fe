"""What the doctor tries: every single change of a toggle that may cure. Imports no torch.

Derived from the toggles' declarations, so that a new choice is tried without being named here. A number has no list of
values to go through, so what is worth trying of each is said in NUMBERS. What a warning suggests comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gradtui.lab import toggles
from gradtui.lab.declaration import Declaration
from gradtui.lab.errors import SettingError
from gradtui.lab.scenario import Scenario
from gradtui.stream.events import Value

Settings = Mapping[str, Value]
Fix = dict[str, Value]
"""Toggles set together: one change, and what it needs to make sense (`optimizer=adam lr=0.001`). Empty: nothing is done."""

NO_CURE: Mapping[str, tuple[str, ...]] = {
    "init": ("zeros", "constant"),  # all units of a layer stay alike
    "activation": ("identity",),  # learns, but is no longer the network that somebody wanted
    "precision": ("fp16",),
}
"""Choices that are diseases themselves, or another model."""

LEFT_OUT = ("pace",)
"""Numbers that change nothing of what is learned."""


def _scaled(key: str, settings: Settings, *factors: float) -> list[Fix]:
    return [{key: float(f"{float(settings[key]) * factor:.6g}")} for factor in factors]


def _lr(settings: Settings) -> list[Fix]:
    return _scaled("lr", settings, 0.1, 10)


def _own_lr(settings: Settings) -> list[Fix]:
    """Adaptive optimizers at a learning rate of their own: what suits SGD is most often too much for them."""
    return [{"optimizer": name, "lr": lr} for name, lr in (("adam", 0.001), ("rmsprop", 0.001), ("adagrad", 0.01))]


def _clip_threshold(settings: Settings) -> list[Fix]:
    others = _scaled("clip_threshold", settings, 0.1, 10) if settings["clip"] != "off" else []
    usual: list[Fix] = [{"clip": kind, "clip_threshold": at} for kind, at in (("norm", 1.0), ("norm", 0.1), ("value", 0.01))]
    return others + usual


def _norm_scale(settings: Settings) -> list[Fix]:
    return [{"batch_norm": "on", "norm_scale": scale} for scale in (0.3, 3.0)] if settings["batch_norm"] != "off" else []


NUMBERS: Mapping[str, Callable[[Settings], list[Fix]]] = {
    "lr": lambda now: _lr(now) + _own_lr(now),
    "warmup": lambda now: [{"warmup": 50}] if not now["warmup"] else [],
    "clip_threshold": _clip_threshold,
    "l1": lambda now: [{"l1": 0.0001}] if not now["l1"] else [{"l1": 0.0}],
    "l2": lambda now: [{"l2": strength} for strength in ((0.001, 0.01, 0.0) if now["l2"] else (0.001, 0.01))],
    "norm_scale": _norm_scale,
    "sigma_w": lambda now: [{"init": "gaussian", "sigma_w": scale} for scale in (1.0, 4.0)],
    "leaky_slope": lambda now: [{"activation": "leaky_relu", "leaky_slope": 0.2}],
    "leaky_state": lambda now: [{"leaky_state": 0.1}] if now["cell"] == "rnn" else [],
    "forget_bias": lambda now: [{"forget_bias": 1.0}, {"forget_bias": 3.0}] if now["cell"] != "rnn" else [],
    "weight_clip": lambda now: _scaled("weight_clip", now, 10, 0.1) if now["lipschitz"] == "clip_weights" else [],
    "penalty_weight": lambda now: _scaled("penalty_weight", now, 10, 0.1) if now["lipschitz"] == "gradient_penalty" else [],
    "loss_scale": lambda now: [{"loss_scale": 256.0}, {"loss_scale": 16384.0}] if now["precision"] != "fp32" else [],
}
"""Number -> what is worth trying of it, as the toggles stand."""


def candidates(scenario: Scenario, settings: Settings, suggested: Iterable[Fix] = ()) -> list[Fix]:
    """Every fix to try where the toggles stand at `settings`, each once: the suggested ones, then the toggles in their order."""
    tried = {_effect(settings, {})}
    found = []
    for fix in [*suggested, *(fix for toggle in toggles.of(scenario) if toggle.key in settings for fix in _of(toggle, settings))]:
        checked = _checked(scenario, fix)
        if checked is not None and _effect(settings, checked) not in tried:
            tried.add(_effect(settings, checked))
            found.append(checked)
    return found


def _of(toggle: Declaration, settings: Settings) -> list[Fix]:
    if not toggle.live or toggle.key in LEFT_OUT:
        return []
    if not toggle.choices:
        return NUMBERS[toggle.key](settings)
    choices = [choice for choice in toggle.choices if choice not in NO_CURE.get(toggle.key, ())]
    return [{toggle.key: choice} for choice in choices if _sensible(toggle.key, choice, settings)]


def _sensible(key: str, choice: str, settings: Settings) -> bool:
    if key == "precision":
        return settings[key] != "fp32"  # less precision cures nothing
    if key == "regularisation":
        return bool(settings["l1"] or settings["l2"])
    return True


def _checked(scenario: Scenario, fix: Fix) -> Fix | None:
    """As the toggles keep it; None: it cannot be had here."""
    try:
        return {key: toggles.check(scenario, key, value) for key, value in fix.items()}
    except SettingError:
        return None


def _effect(settings: Settings, fix: Fix) -> frozenset[tuple[str, Value]]:
    return frozenset((dict(settings) | fix).items())
