"""What a seed stands for: a random training, healthy, sick or in between, of the lab's own parts.

Every choice is drawn from the seed alone, so a bank is a list of numbers. The draw knows nothing of what is judged: how
much of it learns is found by training it.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from gradtui.lab import toggles
from gradtui.lab.scenario import Scenario
from gradtui.stream.events import Value

ACTIVATIONS = ("sigmoid", "tanh", "relu", "relu", "leaky_relu", "elu", "selu", "gelu")
OPTIMIZERS = (("momentum", 0.02), ("sgd", 0.05), ("nesterov", 0.02), ("adam", 1e-3), ("adamw", 1e-3), ("rmsprop", 1e-3), ("adagrad", 0.01))
FACTORS = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.01, 10.0, 30.0)
"""On the learning rate: mostly what one would take, sometimes one that nobody should."""


def draw(seed: int) -> tuple[Scenario, dict[str, Value]]:
    """The scenario and the toggles' initial values."""
    rng = random.Random(seed)
    family = rng.choices(("mlp", "rnn", "resnet", "transformer"), (78, 16, 3, 3))[0]
    table, settings = {"mlp": _mlp, "rnn": _rnn, "resnet": _resnet, "transformer": _transformer}[family](rng)
    found = msgspec.convert({"title": f"seed {seed}", "shows": "", "name": f"{family}-{seed}"} | table, Scenario)
    return found, toggles.initial(found, settings)


def _optimizer(rng: random.Random, choices: tuple[tuple[str, float], ...] = OPTIMIZERS) -> dict[str, Value]:
    name, lr = rng.choice(choices)
    found: dict[str, Value] = {"optimizer": name, "lr": float(f"{lr * rng.choice(FACTORS):.3g}")}
    if rng.random() < 0.1:
        found |= {"clip": "norm", "clip_threshold": rng.choice((0.01, 1.0, 10.0))}
    if rng.random() < 0.1:
        found |= {"l2": rng.choice((1e-4, 1e-3, 1e-2))}
    return found


def _init(rng: random.Random) -> dict[str, Value]:
    kind = rng.random()
    if kind < 0.68:
        return {"init": rng.choice(("xavier", "he", "he", "lecun", "orthogonal"))}
    if kind < 0.94:
        return {"init": "gaussian", "sigma_w": round(0.3 * 10 ** rng.random(), 3)}
    return {"init": "zeros"} if kind < 0.96 else {"init": "constant", "sigma_w": rng.choice((0.01, 0.05, 0.2))}


def _mlp(rng: random.Random) -> tuple[dict[str, Any], dict[str, Value]]:
    options: dict[str, float] = {}
    if rng.random() < 0.06:
        options["bias"] = rng.choice((-1.0, -1.5, 0.5))
    if rng.random() < 0.06:
        options["loss_factor"] = 2.0 ** rng.choice((-20, -10, 10))
    settings: dict[str, Value] = {
        "activation": rng.choice(ACTIVATIONS),
        "depth": round(2 * 15 ** rng.random()),
        "width": rng.choice((32, 64, 96)),
        "batch_norm": rng.choices(("off", "on"), (80, 20))[0],
        "skip": rng.choices(("off", "scaled", "plain"), (84, 11, 5))[0],
    }
    data = rng.choices(("digits", "spirals"), (88, 12))[0]
    return {"model": "mlp", "data": data, "options": options, "steps": 300}, settings | _init(rng) | _optimizer(rng)


def _rnn(rng: random.Random) -> tuple[dict[str, Any], dict[str, Value]]:
    settings: dict[str, Value] = {"activation": "tanh", "width": 32, "cell": rng.choices(("rnn", "lstm", "gru"), (70, 18, 12))[0]}
    settings |= (
        {"init": rng.choice(("xavier", "orthogonal"))}
        if rng.random() < 0.4
        else {"init": "gaussian", "sigma_w": round(0.5 + 1.7 * rng.random(), 2)}
    )
    settings["layer_norm"] = rng.choices(("off", "on"), (85, 15))[0]
    return {"model": "rnn", "data": "first_symbol", "steps": 400}, settings | _optimizer(
        rng, (("adam", 3e-3), ("sgd", 0.1), ("rmsprop", 1e-3))
    )


def _resnet(rng: random.Random) -> tuple[dict[str, Any], dict[str, Value]]:
    settings: dict[str, Value] = {
        "init": "he",
        "batch_norm": rng.choice(("on", "on", "off")),
        "skip": rng.choice(("off", "plain", "scaled")),
        "batch": 32,
    }
    return {"model": "resnet", "data": "digits", "options": {"n": 2}, "steps": 200}, settings | _optimizer(rng)


def _transformer(rng: random.Random) -> tuple[dict[str, Any], dict[str, Value]]:
    settings: dict[str, Value] = {
        "depth": rng.choice((2, 4, 6)),
        "width": 32,
        "batch": 32,
        "init": "lecun",
        "layer_norm": rng.choice(("off", "pre", "post")),
    }
    return {"model": "transformer", "data": "digits", "steps": 200}, settings | _optimizer(rng, (("adam", 2e-3), ("momentum", 0.02)))
