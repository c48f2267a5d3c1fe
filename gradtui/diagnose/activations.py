"""Activations and their Gaussian moments, in plain Python: theory must not need torch.

Expectations over z ~ N(0, q) are Gauss-Legendre sums over each half-line, not Gauss-Hermite sums over the whole: the ReLU
family has its kink at 0, and a rule that does not know it is wrong in the second digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

NODES = 64
CUT = 9.0
"""Standard deviations at which the half-line ends; what is left out is under 1e-17."""

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Moments:
    """E φ, E φ² and E φ'² for a pre-activation of some variance."""

    mean: float
    square: float
    slope_square: float


@dataclass(frozen=True)
class Activation:
    """A non-linearity and its derivative."""

    value: Callable[[float], float]
    slope: Callable[[float], float]

    def moments(self, q: float) -> Moments:
        """The moments under N(0, q); q = 0 gives the values at 0, the slope taken as the mean of both sides."""
        return _moments(self, q)


@lru_cache(maxsize=4096)
def _moments(activation: Activation, q: float) -> Moments:
    scale = math.sqrt(q)
    mean = square = slope_square = 0.0
    for node, weight in half_normal():
        for z in (node * scale, -node * scale):
            value = activation.value(z)
            mean += weight * value
            square += weight * value * value
            slope_square += weight * activation.slope(z) ** 2
    return Moments(mean, square, slope_square)


@cache
def half_normal() -> list[tuple[float, float]]:
    """Nodes on (0, CUT) and their weights under the standard normal density."""
    density = 1 / math.sqrt(2 * math.pi)
    scaled = [((x + 1) * CUT / 2, w * CUT / 2) for x, w in _legendre(NODES)]
    return [(x, w * density * math.exp(-x * x / 2)) for x, w in scaled]


def _legendre(count: int) -> list[tuple[float, float]]:
    """Gauss-Legendre nodes and weights on (-1, 1), by Newton's method from Chebyshev's guess."""
    found = []
    for i in range(count):
        x = math.cos(math.pi * (i + 0.75) / (count + 0.5))
        for _ in range(20):
            value, derivative = _legendre_polynomial(count, x)
            x -= value / derivative
        _, derivative = _legendre_polynomial(count, x)
        found.append((x, 2 / ((1 - x * x) * derivative * derivative)))
    return found


def _legendre_polynomial(degree: int, x: float) -> tuple[float, float]:
    """P_degree(x) and its derivative."""
    below, value = 1.0, x
    for k in range(2, degree + 1):
        below, value = value, ((2 * k - 1) * x * value - (k - 1) * below) / k
    return value, degree * (x * value - below) / (x * x - 1)


def _sigmoid(z: float) -> float:
    return 0.5 * (1 + math.tanh(z / 2))


def _gelu_slope(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2))) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def leaky_relu(slope: float) -> Activation:
    """Slope 1 above 0 and `slope` below; `slope` 0 is ReLU."""
    return Activation(lambda z: z if z > 0 else slope * z, lambda z: 1.0 if z > 0 else slope)


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": Activation(math.tanh, lambda z: 1 - math.tanh(z) ** 2),
    "relu": leaky_relu(0.0),
    "elu": Activation(lambda z: z if z > 0 else math.expm1(z), lambda z: 1.0 if z > 0 else math.exp(z)),
    "selu": Activation(
        lambda z: _SELU_SCALE * (z if z > 0 else _SELU_ALPHA * math.expm1(z)),
        lambda z: _SELU_SCALE * (1.0 if z > 0 else _SELU_ALPHA * math.exp(z)),
    ),
    "gelu": Activation(lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))), _gelu_slope),
    "identity": Activation(lambda z: z, lambda _: 1.0),
}
