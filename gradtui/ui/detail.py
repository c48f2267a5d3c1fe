"""One layer in full: what it is, and every number that a frame says of it."""

from __future__ import annotations

from gradtui.diagnose.words import inert
from gradtui.stream.events import Frame, Layer
from gradtui.ui.lines import Row
from gradtui.ui.measures import at
from gradtui.ui.scale import number, percent, wrapped
from gradtui.ui.theory import Point

FIELDS: tuple[tuple[str, str], ...] = (
    ("delta_rms", "delta, r.m.s."),
    ("grad_norm", "gradient norm"),
    ("grad_norm_min", "  least since the last frame"),
    ("grad_norm_max", "  most since the last frame"),
    ("grad_rms", "gradient, r.m.s."),
    ("grad_max", "gradient, largest entry"),
    ("grad_zero", "gradient entries exactly 0"),
    ("grad_subnormal", "gradient entries subnormal"),
    ("grad_nonfinite", "gradient entries not finite"),
    ("penalty_norm", "penalty (regulariser's gradient)"),
    ("weight_norm", "weight norm"),
    ("update_ratio", "update ratio"),
    ("effective_units", "units that differ (of up to 16)"),
    ("activation_mean", "activation mean"),
    ("activation_std", "activation std"),
    ("saturated", "saturated units"),
    ("dead", "dead units"),
)
"""Every per-layer field of a frame, with its words."""

FRACTIONS = ("grad_zero", "grad_subnormal", "saturated", "dead")


WIDTH = max(len(words) for _, words in FIELDS) + 2


def rows(layer: Layer, frame: Frame | None, index: int, theory: Point | None, width: int) -> list[Row]:
    """The layer's facts, then its numbers, `index` in the newest frame; `theory`: what is predicted of it."""
    facts = [
        ("kind", inert(layer.kind)),
        ("shape", " × ".join(str(size) for size in layer.shape)),
        ("parameters", f"{layer.parameters:,}" + (", frozen" if layer.frozen else "" if layer.updated else ", no optimizer's")),
    ]
    facts += [("group", inert(layer.group))] if layer.group else []
    if theory is not None:
        facts += [("delta at step 0, by theory", number(theory.delta)), ("  decades from the last row's", theory.told)]
    lines = facts + (_numbers(frame, index) if frame else [])
    if width >= WIDTH + 2 + max(len(value) for _, value in lines):
        return [((f"  {words:<{WIDTH}}", "muted"), (value, "strong")) for words, value in lines]
    return [row for words, value in lines for row in _narrow(words, value, width)]


def _narrow(words: str, value: str, width: int) -> list[Row]:
    """The value at the right edge, on lines of its own where it does not fit beside its words: a number that is cut is another one."""
    room = width - 3 - len(words)
    if len(value) <= room:
        return [((f"  {words} ", "muted"), (f"{value:>{room}}", "strong"))]
    lines = wrapped(value, max(1, width - 2), len(value))
    return [((f"  {words}"[:width], "muted"),), *(((f"{line:>{width}}", "strong"),) for line in lines)]


def _numbers(frame: Frame, index: int) -> list[tuple[str, str]]:
    found = []
    for field, words in FIELDS:
        value = at(getattr(frame, field), index)
        found.append((words, percent(value) if field in FRACTIONS else number(value)))
    return found
