"""The model families of the lab: which data each takes and which options. Imports no torch; `models/` builds them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gradtui.lab.errors import SettingError
from gradtui.stream.events import Value


@dataclass(frozen=True)
class Option:
    """A number that shapes a model and is not a toggle."""

    default: int | float
    minimum: float
    maximum: float

    def check(self, key: str, value: Value) -> int | float:
        """`value` as the model takes it. Raises SettingError."""
        kind = type(self.default)
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and self.minimum <= value <= self.maximum
        if not fits or (kind is int and value != int(value)):
            word = "a whole number" if kind is int else "a number"
            raise SettingError(f"options.{key} is {value!r}; it is {word} from {self.minimum:g} to {self.maximum:g}")
        return kind(value)


@dataclass(frozen=True)
class Family:
    """What one family takes."""

    about: str
    data: tuple[str, ...]
    own_data: bool = False
    """Whether it can also take a data set of a user's own, given as `package.module:function`."""
    options: Mapping[str, Option] = field(default_factory=dict)


FAMILIES: Mapping[str, Family] = {
    "mlp": Family(
        "a multi-layer perceptron: `depth` hidden layers of equal `width`",
        data=("digits", "spirals", "mnist", "cifar10"),
        own_data=True,
        options={"bias": Option(0.0, -1e3, 1e3), "loss_factor": Option(1.0, 1e-30, 1e30)},
    ),
    "bag": Family(
        "an embedding of tokens, summed over the sentence, and one hidden layer",
        data=("tokens",),
        options={"dimensions": Option(16, 1, 4096)},
    ),
    "wgan": Family(
        "a Wasserstein GAN: a critic of `depth` hidden layers of equal `width`, and a small generator",
        data=("swiss_roll",),
        options={
            "critic_updates": Option(5, 1, 1000),
            "latent": Option(2, 1, 4096),
            "generator_depth": Option(3, 1, 1000),
            "generator_width": Option(64, 1, 4096),
        },
    ),
    "rnn": Family(
        "a recurrent network of one cell with `width` units, unrolled in time, that answers after the last step",
        data=("first_symbol",),
    ),
    "transformer": Family(
        "an encoder of `depth` blocks of attention and MLP, `width` wide, over the rows of an image, averaged",
        data=("digits",),
        options={"heads": Option(4, 1, 64)},
    ),
    "resnet": Family(
        "a CIFAR-style network of 6n+2 layers (He 2016) in three stages",
        data=("digits", "mnist", "cifar10"),
        own_data=True,
        options={"n": Option(5, 1, 200), "channels": Option(8, 1, 512)},
    ),
}


OWN_MODEL_DATA = ("digits", "mnist", "cifar10", "spirals")
"""The lab's data sets that a user's own network can ask for."""


def is_own(name: str) -> bool:
    """Whether a model or a data set is a user's own, `package.module:function`, rather than one of the lab's."""
    return ":" in name


def data_choices(model: str, data: str) -> tuple[str, ...]:
    """The data sets that `model` can train on in a scenario whose own is `data`."""
    known = OWN_MODEL_DATA if is_own(model) else FAMILIES[model].data
    return (data, *known) if is_own(data) else known


def spoken(model: str) -> str:
    """With its article: a wgan, an mlp, a network of your own."""
    return "a network of your own" if is_own(model) else f"an {model}" if model in ("mlp", "rnn") else f"a {model}"


def check(model: str, data: str, options: Mapping[str, Value]) -> None:
    """Raises SettingError unless `model` is a family, or of the user's own, and takes `data` and `options`."""
    for key, name in (("model", model), ("data", data)):
        if is_own(name) and not re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", name):
            raise SettingError(f"{key} is {name!r}; one of your own is package.module:function")
    if not is_own(model) and model not in FAMILIES:
        raise SettingError(f"model is {model!r}; {_nearest(model, FAMILIES, own=True)}")
    if is_own(data):
        if not is_own(model) and not FAMILIES[model].own_data:
            raise SettingError(f"data is {data!r}; {spoken(model)} takes {' or '.join(FAMILIES[model].data)} only")
    elif data not in (known := data_choices(model, data)):
        raise SettingError(f"data is {data!r}; {_nearest(data, known, own=is_own(model) or FAMILIES[model].own_data)}")
    if not is_own(model):
        resolved(model, options)


def resolved(model: str, options: Mapping[str, Value]) -> dict[str, int | float]:
    """The family's options with `options` in force. Raises SettingError."""
    known = FAMILIES[model].options
    for key in options:
        if key not in known:
            raise SettingError(f"options.{key}: unknown option of {model}; {_nearest(key, known)}")
    return {key: option.check(key, options[key]) if key in options else option.default for key, option in known.items()}


def _nearest(word: str, known: Iterable[str], *, own: bool = False) -> str:
    """The known name that is like `word`, or all of them; `own`: one of the user's own would do, too."""
    names = list(known)
    if near := difflib.get_close_matches(word, names, n=1):
        return f"did you mean {near[0]}?" + (" One of your own is package.module:function" if own else "")
    return f"it is one of {', '.join(names) or 'none'}" + (", or package.module:function of your own" if own else "")
