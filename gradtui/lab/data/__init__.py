"""The data of the scenarios: shipped or made from the seed, never downloaded."""

from __future__ import annotations

from gradtui.lab.data import digits
from gradtui.lab.data.dataset import Dataset

LOADERS = {"digits": digits.load}


def load(name: str) -> Dataset:
    """The data set called `name`, one of LOADERS."""
    return LOADERS[name]()


__all__ = ["LOADERS", "Dataset", "load"]
