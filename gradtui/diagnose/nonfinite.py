"""The non-finite rule: the first NaN or infinity, in which layer, and whether the forward or the backward pass made it.

Going forward, the first layer with non-finite activations is where it began; going backward, from the loss down, the last
layer in forward order is the one reached first. Latched: weights that are NaN stay NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gradtui.diagnose.hysteresis import Edge, Finding, Reading
from gradtui.diagnose.signals import Signals
from gradtui.diagnose.warnings import Evidence
from gradtui.diagnose.words import full_name, spoken
from gradtui.stream.events import Numbers


def nonfinite(signals: Signals) -> Reading | None:
    """Any loss, activation, delta, gradient or weight that is NaN or infinite, now or between this frame and the last."""
    finding = _damage(signals) if signals.broken else None
    passed = [] if finding else _rows(signals.column(signals.frame.grad_norm_max))
    return Reading((bool(passed), finding is not None), False, finding or (lambda _: _between_frames(signals, passed)))


def _damage(signals: Signals) -> Callable[[Edge], Finding] | None:
    """What the frame itself holds that is not finite, in the order in which a step computes it."""
    frame = signals.frame
    forward = sorted({*_rows(signals.column(frame.activation_mean)), *_rows(signals.column(frame.activation_std))})
    if forward or not _finite(frame.loss):
        return lambda _: _forward(signals, forward)
    norms = (frame.delta_rms, frame.grad_norm, frame.grad_rms, frame.grad_max)
    backward = sorted({row for norm in norms for row in _rows(signals.column(norm))} | _counted(signals.column(frame.grad_nonfinite)))
    if backward:
        return lambda _: _backward(signals, backward)
    weights = _rows(signals.column(frame.weight_norm))
    if weights:
        return lambda _: _update(signals, weights)
    if not (_finite(frame.total_norm) and _finite(frame.clipped_norm)):
        return lambda _: _whole(signals)
    return None


def _forward(signals: Signals, rows: list[int]) -> Finding:
    loss = f"the loss is {_shown(signals.frame.loss)}"
    if rows:
        name = spoken(full_name(signals.layers[rows[0]]))
        return _finding(signals, rows[:1], f"forward: the output of {name} is not finite", f"the first layer where that is so; {loss}")
    if signals.column(signals.frame.activation_std):
        return _finding(signals, [], f"forward: {loss}", "every layer's output is finite, so it overflows in the loss itself")
    return _finding(signals, [], f"forward: {loss}", "layers' outputs were not measured, so which one began is not known")


def _backward(signals: Signals, rows: list[int]) -> Finding:
    name = spoken(full_name(signals.layers[rows[-1]]))
    why = "the loss is finite, and this is the first layer on the way back from it where that is so"
    return _finding(signals, rows[-1:], f"backward: the gradient of {name} is not finite", why)


def _update(signals: Signals, rows: list[int]) -> Finding:
    name = spoken(full_name(signals.layers[rows[0]]))
    return _finding(signals, rows, f"update: the weights of {name} are not finite", "the gradients are")


def _whole(signals: Signals) -> Finding:
    norm = signals.frame.clipped_norm if _finite(signals.frame.total_norm) else signals.frame.total_norm
    return _finding(signals, [], f"backward: the whole gradient's norm is {_shown(norm)}", "every layer's is finite")


def _between_frames(signals: Signals, rows: list[int]) -> Finding:
    step = signals.frame.step
    brief = f"the gradient of {spoken(full_name(signals.layers[rows[-1]]))} was not finite in a step up to {step}"
    return Finding(
        signals.names(rows),
        Evidence(brief=brief, sentence=f"{brief}; all is finite now, so the weights outlived it", numbers={"since": step}),
    )


def _finding(signals: Signals, rows: list[int], what: str, why: str) -> Finding:
    step = signals.frame.step
    sentence = f"{what} at step {step} ({why}): from here on nothing is learned"
    return Finding(signals.names(rows), Evidence(brief=f"{what} at step {step}", sentence=sentence, numbers={"since": step}))


def _finite(number: float | None) -> bool:
    return number is None or math.isfinite(number)


def _shown(number: float | None) -> str:
    return "not recorded" if number is None else str(number)


def _rows(numbers: Numbers) -> list[int]:
    """The rows that are not finite."""
    if math.isfinite(sum(filter(None, numbers))):
        return []
    return [row for row, number in enumerate(numbers) if number is not None and not math.isfinite(number)]


def _counted(counts: Numbers) -> set[int]:
    return {row for row, count in enumerate(counts) if count} if any(counts) else set()
