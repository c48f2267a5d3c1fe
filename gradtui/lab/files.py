"""Whether torchvision and its files of MNIST and CIFAR-10 are there. Imports neither it nor torch; nothing is ever downloaded."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path

from gradtui.lab.errors import SettingError

ENVIRONMENT = "GRADTUI_DATA"
"""The environment variable that names the directory, where it is not the platform's own for a user's data."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "mnist": tuple(f"MNIST/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")),
    "cifar10": tuple(f"cifar-10-batches-py/{name}" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")),
}
"""Data set -> its files, as torchvision.datasets looks for them under its `root`."""

CLASSES: Mapping[str, str] = {"mnist": "MNIST", "cifar10": "CIFAR10"}


def directory() -> Path:
    """$GRADTUI_DATA, or the platform's directory for a user's data (~/.local/share/gradtui on Linux)."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named) if named else user_data_path("gradtui", appauthor=False)


def require(data: str) -> None:
    """Raises SettingError unless torchvision and every file of the data set are there; one without files needs neither."""
    if data not in NEEDED:
        return
    if importlib.util.find_spec("torchvision") is None:
        raise SettingError(f"data is {data}, which torchvision reads, and that is not installed; pip install torchvision")
    missing = [name for name in NEEDED[data] if not (directory() / name).is_file()]
    if missing:
        more = f" (nor {len(missing) - 1} more of its files)" if len(missing) > 1 else ""
        fetch = f"torchvision.datasets.{CLASSES[data]}({str(directory())!r}, download=True)"
        raise SettingError(
            f"data is {data}, and {missing[0]} is not in {directory()}{more}; {fetch} puts them there, and ${ENVIRONMENT} names "
            "another directory"
        )
