"""Where MNIST and CIFAR-10 are looked for, and whether they are there. Imports no torch; nothing is ever downloaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path

from gradtui.lab.errors import SettingError

ENVIRONMENT = "GRADTUI_DATA"
"""The environment variable that names the directory, where it is not the platform's own for a user's data."""

MNIST = tuple(f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CIFAR10 = tuple(f"cifar-10-batches-py/{name}" for name in ("data_batch_1", "data_batch_2", "test_batch"))

NEEDED: Mapping[str, tuple[str, ...]] = {"mnist": MNIST, "cifar10": CIFAR10}
"""Data set -> its files, named as torchvision.datasets names them under its `root`."""

CLASSES: Mapping[str, str] = {"mnist": "MNIST", "cifar10": "CIFAR10"}


def directory() -> Path:
    """$GRADTUI_DATA, or the platform's directory for a user's data (~/.local/share/gradtui on Linux)."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else user_data_path("gradtui", appauthor=False)


def find(name: str) -> Path:
    """The file called `name` under the directory, packed with gzip or not. Raises FileNotFoundError."""
    plain = directory() / name
    for path in (plain, plain.with_name(plain.name + ".gz")):
        if path.is_file():
            return path
    raise FileNotFoundError(name)


def require(data: str) -> None:
    """Raises SettingError unless every file of the data set is there; a data set without files is always there."""
    for name in NEEDED.get(data, ()):
        try:
            find(name)
        except FileNotFoundError:
            fetch = f"torchvision.datasets.{CLASSES[data]}({str(directory())!r}, download=True)"
            raise SettingError(
                f"data is {data}, and {name} is not in {directory()}; {fetch} puts it there, and ${ENVIRONMENT} names another directory"
            ) from None
