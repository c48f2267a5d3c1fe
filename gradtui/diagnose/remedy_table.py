"""What helped against each pathology, best measured evidence first: toggle, value, and the score without and with it.

The scores are (accuracy - chance) / (1 - chance) at the end of short trainings of small networks on the digits, mean of
three seeds, with the fix in force from the first step; 0.00 is chance. A GAN has no score: its points' distance from the
data is given, as a share of what it was at the start. What was measured to be of no use, or to harm, is in the pages that
explain each warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from gradtui.stream.events import Value

Remedy = tuple[str, Value, str]
"""A toggle, its value (of those in FACTORS: a factor on what is in force), and the evidence."""

FACTORS = ("lr", "clip_threshold")

BESIDE: Mapping[tuple[str, Value], Mapping[str, Value]] = {("optimizer", "adam"): {"lr": 0.001}, ("optimizer", "rmsprop"): {"lr": 0.001}}
"""What a setting was measured with, and hardly helps without: these optimizers' rates are of their own kind. No factors."""

VANISHING_SIGMOID: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.00 to 0.99 on 8 sigmoid layers"),
    ("activation", "elu", "score 0.00 to 0.98 on 8 sigmoid layers"),
    ("activation", "tanh", "score 0.00 to 0.98 on 8 sigmoid layers"),
    ("skip", "scaled", "score 0.00 to 0.98 on 20 tanh layers, and a skip 0.98 on 8 sigmoid layers"),
)
VANISHING_TANH: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("batch_norm", "on", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("init", "orthogonal", "score 0.00 to 0.98 on 20 tanh layers with small weights"),
    ("init", "xavier", "score 0.00 to 0.96 on 20 tanh layers with small weights"),
)
VANISHING_RELU: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.02 to 0.97 on 30 ReLU layers; a plain skip without normalisation ends in NaN"),
    ("activation", "elu", "score 0.02 to 0.96 on 30 ReLU layers"),
    ("activation", "tanh", "score 0.02 to 0.96 on 30 ReLU layers"),
    ("optimizer", "adam", "score 0.02 to 0.91 on 30 ReLU layers"),
    ("batch_norm", "on", "score 0.02 to 0.89 on 30 ReLU layers"),
    ("init", "he", "score 0.02 to 0.70 on 30 ReLU layers (0.54 to 0.89 by seed)"),
)
VANISHING_TIME: tuple[Remedy, ...] = (
    ("cell", "lstm", "score 0.02 to 1.00 over a lag of 30 steps, with a forget-gate bias of 1"),
    ("init", "orthogonal", "score 0.02 to 1.00 over a lag of 30 steps"),
    ("init", "xavier", "score 0.02 to 1.00 over a lag of 30 steps"),
    ("leaky_state", 0.1, "score 0.02 to 1.00 over a lag of 30 steps"),
    ("layer_norm", "on", "score 0.02 to 0.78 over a lag of 30 steps (0.35 to 1.00 by seed)"),
)
EXPLODING_RELU: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score from NaN to 0.96 on 20 ReLU layers with large weights"),
    ("activation", "tanh", "score from NaN to 0.92 on 20 ReLU layers with large weights"),
    ("init", "he", "score from NaN to 0.87 on 20 ReLU layers with large weights"),
    ("clip", "norm", "rescues partly: score from NaN to 0.66 on 20 ReLU layers with large weights"),
)
EXPLODING_TANH: tuple[Remedy, ...] = (
    ("init", "orthogonal", "score 0.43 to 0.98 on 20 tanh layers with large weights"),
    ("batch_norm", "on", "score 0.43 to 0.97 on 20 tanh layers with large weights"),
    ("init", "xavier", "score 0.43 to 0.96 on 20 tanh layers with large weights"),
    ("l2", 0.01, "score 0.43 to 0.89 on 20 tanh layers with large weights; clipping by norm took it to 0.01"),
)
EXPLODING_NORMALISED: tuple[Remedy, ...] = (
    ("skip", "scaled", "score 0.00 to 0.99 on 50 batch-normalised ReLU layers: batch norm itself multiplies the gradient"),
    ("activation", "tanh", "score 0.00 to 0.76 on 50 batch-normalised layers"),
    ("batch_norm", "off", "score 0.00 to 0.60 on 50 ReLU layers"),
)
EXPLODING_TIME: tuple[Remedy, ...] = (
    ("clip", "norm", "score 0.11 to 1.00 on a recurrent network over 30 steps"),
    ("clip", "value", "score 0.11 to 1.00 on a recurrent network over 30 steps, at 0.01"),
    ("layer_norm", "on", "score 0.11 to 1.00 on a recurrent network over 30 steps"),
    ("optimizer", "rmsprop", "score 0.11 to 1.00 on a recurrent network over 30 steps; Adam at the same rate 0.46, at 0.003 1.00"),
    ("lr", 0.1, "score 0.11 to 0.97 on a recurrent network over 30 steps"),
)
LARGE_UPDATES: tuple[Remedy, ...] = (
    ("lr", 0.1, "score 0.01 to 0.98 on 5 ReLU layers at too high a learning rate"),
    ("clip", "norm", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate"),
    ("optimizer", "adam", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate"),
    ("batch_norm", "on", "score 0.01 to 0.97 on 5 ReLU layers at too high a learning rate"),
)
DEAD: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.00 to 0.98 on 3 ReLU layers dead from the start"),
    ("activation", "elu", "score 0.00 to 0.98 on 3 ReLU layers dead from the start; a leaky slope of 0.01 left it at 0.00"),
    ("activation", "tanh", "score 0.00 to 0.98 on 3 ReLU layers dead from the start"),
)
ZERO_WEIGHTS: tuple[Remedy, ...] = (("init", "he", "score 0.00 to 0.97 on 3 layers of zeros, where nothing else helped"),)
KILLED: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.01 to 0.95 from step 120 on, of 5 ReLU layers that a high learning rate had killed; tanh 0.36, ELU 0.00"),
    ("lr", 0.1, "after a restart: score 0.01 to 0.98 on 5 ReLU layers that a high learning rate killed; leaky and ELU ended in NaN"),
    ("clip", "norm", "after a restart: score 0.01 to 0.97 on 5 ReLU layers that a high learning rate killed"),
)
SMALL_UPDATES: tuple[Remedy, ...] = (
    ("optimizer", "adam", "score 0.05 to 0.98 on 4 ReLU layers at too low a learning rate"),
    ("lr", 10.0, "networks that learned moved by a thousandth of their norm a step"),
)
UNDERFLOW: tuple[Remedy, ...] = (
    ("loss_scale", 16384.0, "score 0.00 to 0.98 on 6 ReLU layers in fp16"),
    ("precision", "fp32", "score 0.00 to 0.98 on 6 ReLU layers in fp16"),
    ("precision", "bf16", "score 0.00 to 0.97 on 6 ReLU layers in fp16"),
)
LOW_CLIPPING: tuple[Remedy, ...] = (
    ("clip_threshold", 10.0, "a threshold of 10 for 1: score 0.01 to 0.47 on 20 tanh layers with large weights"),
    ("clip", "off", "score 0.01 to 0.43 on 20 tanh layers with large weights"),
)
SATURATED: tuple[Remedy, ...] = (
    ("batch_norm", "on", "score 0.70 to 0.96 on 8 saturated sigmoid layers"),
    ("skip", "scaled", "a skip: score 0.70 to 0.91 on 8 saturated sigmoid layers"),
)
SYMMETRY: tuple[Remedy, ...] = (
    (
        "init",
        "xavier",
        "score 0.24 to 0.98 on 3 tanh layers of equal weights; batch norm, a skip, L2, clipping and Adam left it under 0.25",
    ),
    ("init", "he", "any random start tells the units apart: xavier took 3 tanh layers of equal weights from 0.24 to 0.98"),
)
CLIPPED_WEIGHTS: tuple[Remedy, ...] = (
    ("lipschitz", "spectral_norm", "from step 50 on, the points' distance from the data fell to 0.30 of its start in 100 steps"),
    ("skip", "scaled", "from step 50 on, the points' distance from the data fell to 0.30 of its start in 100 steps"),
    (
        "lipschitz",
        "gradient_penalty",
        "after a restart: the points' distance from the data fell to 0.34 of its start; without one the weights stay too small to grow",
    ),
)
TRANSFORMER: tuple[Remedy, ...] = (
    ("layer_norm", "pre", "score 0.95 on 8 transformer blocks; normalised after each sum 0.23, not at all 0.03"),
    ("lr", 0.2, "score 0.23 to 0.94 on 8 transformer blocks normalised after each sum"),
    ("warmup", 150, "score 0.23 to 0.85 on 8 transformer blocks normalised after each sum; clipping 0.41"),
)
