"""What the bars can show: for each measure its axis, the numbers beside the bars, and where a frame holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradtui.stream.events import Frame, Numbers
from gradtui.ui.scale import Axis, number, percent


@dataclass(frozen=True)
class Measure:
    """One reading of a frame: a bar and a few figures per layer."""

    key: str
    title: str
    about: str
    axis: Axis
    values: Callable[[Frame], Numbers]
    """One number per layer for the bars; empty when the frame does not carry them."""
    heading: str
    figures: Callable[[Frame, int], str]
    """The text beside row `i`, as long as `heading`."""


def at(values: Numbers, index: int) -> float | None:
    """A layer's number; None where the frame has none."""
    return values[index] if index < len(values) else None


def _one(field: str) -> Callable[[Frame, int], str]:
    return lambda frame, i: f"{number(at(getattr(frame, field), i)):>8}"


def _activations(frame: Frame, i: int) -> str:
    mean, std = number(at(frame.activation_mean, i)), number(at(frame.activation_std, i))
    return f"{mean:>8}{std:>8}{percent(at(frame.saturated, i)):>5}{percent(at(frame.dead, i)):>5}"


MEASURES: tuple[Measure, ...] = (
    Measure(
        "delta",
        "delta",
        "r.m.s. of the loss's gradient at each layer's pre-activation",
        Axis(-9, 1),
        lambda frame: frame.delta_rms,
        f"{'delta':>8}",
        _one("delta_rms"),
    ),
    Measure(
        "gradient",
        "weight gradient",
        "norm of the loss's gradient with respect to each layer's parameters",
        Axis(-9, 3),
        lambda frame: frame.grad_norm,
        f"{'gradient':>8}",
        _one("grad_norm"),
    ),
    Measure(
        "update",
        "update ratio",
        "norm of the step's change of the weights over the weights' norm; about 1e-3 is usual",
        Axis(-9, 1),
        lambda frame: frame.update_ratio,
        f"{'update':>8}",
        _one("update_ratio"),
    ),
    Measure(
        "activations",
        "activations",
        "standard deviation of each layer's output as the bar; saturated and dead: fractions of units",
        Axis(-6, 3),
        lambda frame: frame.activation_std,
        f"{'mean':>8}{'std':>8}{'sat.':>5}{'dead':>5}",
        _activations,
    ),
)
