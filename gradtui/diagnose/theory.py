"""Mean-field theory: what the profile of delta is at initialisation, before any training.

Wide random networks have Gaussian pre-activations, so one number a layer is enough: forward the variance q of the
pre-activations, backward the factor by which the mean square of delta changes (Poole 2016; Schoenholz 2017; for batch
normalisation Yang 2019). Both are followed layer by layer, not at the fixed point: q settles slowly, or never.

Every profile is log10 delta relative to its last row, and delta is the gradient at pre-activations, after normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradtui.diagnose.activations import Activation

Place = tuple[int, int]


@dataclass(frozen=True)
class Initial:
    """How a layer's weights and biases are drawn: sigma_w² = fan_in · Var W, sigma_b² = Var b."""

    sigma_w: float
    sigma_b: float = 0.0


def dense(
    activation: Activation,
    drawn: Sequence[Initial],
    *,
    batch_norm: bool = False,
    gamma: float = 1.0,
    branch: float = 0.0,
    input_square: float = 1.0,
) -> list[float]:
    """The profile of hidden layers of equal width, one `Initial` each.

    `branch`: the weight of f(x) beside x in a residual connection round every layer but the first; 0: there is none.
    `gamma`: batch normalisation's scale (a large batch of independent examples is assumed). `input_square`: |x|²/N_0.
    Forward, h = skip·h' + a·φ(z); backward, with g the gradient at h, delta² = a²·E φ'²·g² and g'² = skip·g² + gain·delta².
    """
    square, mean, variance = input_square, 0.0, input_square
    slopes, gains = [], []  # delta² / g² of each layer; g² of the layer below / g² of this one
    for layer, own in enumerate(drawn):
        skip, weight = (1.0, branch) if layer and branch else (0.0, 1.0)
        q = gamma**2 if batch_norm else own.sigma_w**2 * square + own.sigma_b**2
        moments = activation.moments(q)
        gain = gamma**2 / variance if batch_norm else own.sigma_w**2
        slopes.append(weight**2 * moments.slope_square)
        gains.append(skip + gain * slopes[-1])
        square = skip * square + weight**2 * moments.square + 2 * skip * weight * mean * moments.mean
        mean = skip * mean + weight * moments.mean
        variance = skip * variance + weight**2 * (moments.square - moments.mean**2)
    return _relative(slopes, gains)


def recurrent(activation: Activation, hidden: Initial, input_variances: Sequence[float]) -> list[float]:
    """The profile along time, at the hidden states, of a network that starts at 0 and has its loss at the last step.

    `input_variances`: what each step's input adds to the variance of the pre-activations. The factor per step is
    chi = sigma_w² E φ'², not the spectral radius of the weights.
    """
    square, gains = 0.0, []
    for variance in input_variances:
        moments = activation.moments(hidden.sigma_w**2 * square + hidden.sigma_b**2 + variance)
        gains.append(hidden.sigma_w**2 * moments.slope_square)
        square = moments.square
    return _relative([1.0] * len(gains), gains)


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution with zero padding: how it is drawn, its output's side and channels, and its stride."""

    drawn: Initial
    size: int
    channels: int
    stride: int = 1


def convolutional(activation: Activation, image: int, layers: Sequence[Convolution], *, input_square: float = 1.0) -> list[float]:
    """The profile of plain convolutions on square maps, followed by global average pooling; `image` is the input's side.

    Zero padding takes taps away at the border: on a map of side s the average factor is ((3s-2)/(3s))², 0.44 on 2×2, so
    that He's initialisation vanishes. What is left gathers in the middle, where the taps are, so q and delta are followed
    position by position; the average alone would be half a decade too low after 50 layers.
    """
    square = {(i, j): input_square for i in range(image) for j in range(image)}
    side, slopes = image, []
    for layer in layers:
        moments = {}
        for place in ((i, j) for i in range(layer.size) for j in range(layer.size)):
            read = math.fsum(square[tap] for tap in _taps(place, layer.stride, side)) / 9
            moments[place] = activation.moments(round(layer.drawn.sigma_w**2 * read + layer.drawn.sigma_b**2, 12))
        slopes.append({place: moment.slope_square for place, moment in moments.items()})
        square = {place: moment.square for place, moment in moments.items()}
        side = layer.size
    return _backward_through(layers, slopes)


def _backward_through(layers: Sequence[Convolution], slopes: list[dict[Place, float]]) -> list[float]:
    """The profile, from E φ'² at every position of every layer; g² is kept at a mean of 1 and its scale apart."""
    g = dict.fromkeys(slopes[-1], 1.0)
    log_g, logs = 0.0, []
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        delta = {place: g[place] * slopes[index][place] for place in g}
        logs.append((math.log10(math.fsum(delta.values()) / len(delta)) + log_g) / 2)
        if index == 0:
            break
        below = layers[index - 1]
        g = dict.fromkeys(slopes[index - 1], 0.0)
        gain = layer.drawn.sigma_w**2 / 9 * layer.channels / below.channels
        for place, value in delta.items():
            for tap in _taps(place, layer.stride, below.size):
                g[tap] += gain * value
        mean = math.fsum(g.values()) / len(g)
        log_g += math.log10(mean)
        g = {place: value / mean for place, value in g.items()}
    return [log - logs[0] for log in reversed(logs)]


def _taps(place: Place, stride: int, side: int) -> list[Place]:
    """The positions on a map of `side` that a 3×3 kernel reads for its output `place`, padding left out."""
    i, j = (range(max(0, stride * at - 1), min(side, stride * at + 2)) for at in place)
    return [(x, y) for x in i for y in j]


def clipped(limit: float, width: int) -> Initial:
    """Weights that all sit on the bound ±limit, as a WGAN critic's do after clipping: a ReLU critic's delta then grows by
    limit·√(width/2) a layer."""
    return Initial(sigma_w=limit * math.sqrt(width))


def _relative(slopes: list[float], gains: list[float]) -> list[float]:
    """log10 delta of every layer, relative to the last one's, from delta²/g² of each and the growth of g² through each."""
    log_g, logs = 0.0, []
    for slope, gain in zip(reversed(slopes), reversed(gains), strict=True):
        logs.append((math.log10(slope) + log_g) / 2)
        log_g += math.log10(gain)
    return [log - logs[0] for log in reversed(logs)]
