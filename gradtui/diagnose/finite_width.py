"""How far a network of finite width strays from mean-field theory at initialisation: the band round theory's profile.

Each layer's weights are drawn once. Going back through one, the mean square of delta over its N units is multiplied by a mean of N
random factors φ'²g², g Gaussian, whose relative variance is 3 E φ'⁴/(E φ'²)² - 1: 5/N a layer in a ReLU network, 2/N in a linear one
(Hanin and Nica 2020). So the logarithm of delta wanders, with a variance that grows as depth over width.

The screen shows the r.m.s. over a batch, and examples share the weights: two of them stray together as far as their gradients and
their pre-activations point the same way. Both are followed through the layers, the latter by Mehler's formula from the activation's
Hermite coefficients. Left out: that the forward variance q strays too, which counts only where q has not settled (GELU at
σ_w = 1.5 strays twice as far as this says). Not for skips, whose forward stream carries the activations' means along (measured up to
7 times as much), nor for batch normalisation, which holds the variance (half as much).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gradtui.diagnose.activations import Activation, half_normal
from gradtui.diagnose.theory import Initial

TERMS = 24
"""Hermite coefficients that are kept; what is left out is treated as the next one."""


@dataclass(frozen=True)
class _Moments:
    """Of φ' at one layer."""

    fourth: float
    """E φ'⁴ / (E φ'²)²."""
    pair: float
    """E φ'_a² φ'_b² / (E φ'²)², of two examples."""
    kept: float
    """E φ'_a φ'_b / E φ'²: what is left of the cosine between two examples' gradients."""


def deviations(activation: Activation, drawn: Sequence[Initial], widths: Sequence[int], *, batch: int, classes: int) -> list[float]:
    """Standard deviation, in decades, of every hidden layer's delta (r.m.s. over a batch) relative to the last one's.

    The layers are plain ones, their weights Gaussian or independent with as many inputs as a Gaussian needs. `classes`: of a
    cross-entropy read-out, where gradients of one class agree and others nearly cancel; 1: all agree.
    """
    alike = 1 / (classes - 1) if classes > 1 else 1.0  # mean square cosine between two examples' gradients
    one = two = 0.0
    found = [0.0]
    for moments, width in reversed(list(zip(_forward(activation, drawn)[:-1], widths[:-1], strict=True))):
        one += (3 * moments.fourth - 1) / width
        two += (moments.pair * (1 + 2 * alike) - 1) / width
        alike = min(1.0, moments.kept**2 * alike + (1 - alike) * moments.pair / width)
        # Of a mean of log-normal numbers: where single examples stray far, a few of them carry it.
        spread = math.expm1(one) / batch + (1 - 1 / batch) * math.expm1(two)
        found.append(math.sqrt(math.log1p(max(0.0, spread))) / (2 * math.log(10)))
    return found[::-1]


def _forward(activation: Activation, drawn: Sequence[Initial]) -> list[_Moments]:
    """Each layer's moments in network order, of two examples whose inputs are at right angles."""
    square, common = 1.0, 0.0
    found = []
    for own in drawn:
        q = own.sigma_w**2 * square + own.sigma_b**2
        cosine = min(1.0, (own.sigma_w**2 * common + own.sigma_b**2) / q)
        value, slope, slope_square = (_hermite(activation, name, q) for name in ("value", "slope", "slope_square"))
        scale = slope.together(1.0)
        pair, kept = slope_square.together(cosine) / scale**2, slope.together(cosine) / scale
        found.append(_Moments(slope_square.together(1.0) / scale**2, pair, kept))
        square, common = value.together(1.0), value.together(cosine)
    return found


@dataclass(frozen=True)
class _Hermite:
    """A function of a Gaussian, by its coefficients in the normalised Hermite polynomials."""

    terms: tuple[float, ...]
    rest: float
    """The sum of the squares of those left out."""

    def together(self, cosine: float) -> float:
        """E f(x) f(y) for standard normal x and y of this correlation (Mehler's formula)."""
        return math.fsum(term**2 * cosine**k for k, term in enumerate(self.terms)) + self.rest * cosine**TERMS


@lru_cache(maxsize=1024)
def _hermite(activation: Activation, name: str, q: float) -> _Hermite:
    """Of φ, φ' or φ'² at a pre-activation of variance `q`."""
    function = _functions(activation)[name]
    scale = math.sqrt(q)
    terms = [0.0] * TERMS
    square = 0.0
    for node, weight in half_normal():
        for x in (node, -node):
            value = function(x * scale)
            square += weight * value * value
            before, polynomial = 0.0, 1.0
            for k in range(TERMS):
                terms[k] += weight * value * polynomial
                before, polynomial = polynomial, (x * polynomial - math.sqrt(k) * before) / math.sqrt(k + 1)
    return _Hermite(tuple(terms), max(0.0, square - math.fsum(term**2 for term in terms)))


def _functions(activation: Activation) -> dict[str, Callable[[float], float]]:
    return {"value": activation.value, "slope": activation.slope, "slope_square": lambda z: activation.slope(z) ** 2}
