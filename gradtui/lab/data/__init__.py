"""The data of the scenarios: shipped or made from the seed, never downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradtui.lab.data import digits, images, own, sequences, spirals, swiss_roll, tokens
from gradtui.lab.data.dataset import Dataset
from gradtui.lab.families import is_own

LOADERS: Mapping[str, Callable[[int], Dataset]] = {
    "digits": lambda _: digits.load(),
    "mnist": lambda _: images.load_mnist(),
    "cifar10": lambda _: images.load_cifar10(),
    "first_symbol": sequences.first_symbol,
    "spirals": spirals.load,
    "swiss_roll": swiss_roll.load,
    "tokens": tokens.load,
}


def load(name: str, seed: int = 0) -> Dataset:
    """The data set called `name`, one of LOADERS or a user's own; what is made is made from `seed`. Raises SettingError."""
    return own.load(name) if is_own(name) else LOADERS[name](seed)


__all__ = ["LOADERS", "Dataset", "load"]
