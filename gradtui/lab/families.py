"""The model families of the lab: which data each takes and which options. Imports no torch; `models/` builds them."""

from __future__ import annotations

import difflib
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
    options: Mapping[str, Option] = field(default_factory=dict)


FAMILIES: Mapping[str, Family] = {
    "mlp": Family("a multi-layer perceptron: `depth` hidden layers of equal `width`", data=("digits",)),
    "resnet": Family(
        "a CIFAR-style network of 6n+2 layers (He 2016) in three stages",
        data=("digits",),
        options={"n": Option(5, 1, 200), "channels": Option(8, 1, 512)},
    ),
}


def check(model: str, data: str, options: Mapping[str, Value]) -> None:
    """Raises SettingError unless `model` is a family that takes `data` and `options`."""
    if model not in FAMILIES:
        raise SettingError(f"model is {model!r}; {_nearest(model, FAMILIES)}")
    family = FAMILIES[model]
    if data not in family.data:
        raise SettingError(f"data is {data!r}; {_nearest(data, family.data)}")
    resolved(model, options)


def resolved(model: str, options: Mapping[str, Value]) -> dict[str, int | float]:
    """The family's options with `options` in force. Raises SettingError."""
    known = FAMILIES[model].options
    for key in options:
        if key not in known:
            raise SettingError(f"options.{key}: unknown option of {model}; {_nearest(key, known)}")
    return {key: option.check(key, options[key]) if key in options else option.default for key, option in known.items()}


def _nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]}?" if near else f"it is one of {', '.join(names) or 'none'}"
