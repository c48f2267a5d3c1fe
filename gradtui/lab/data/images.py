"""MNIST and CIFAR-10, read by torchvision from files that are already there.

Only the first TRAIN and TEST images are used: the subject is the first few hundred steps of a training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradtui.lab import files
from gradtui.lab.data.dataset import Dataset
from gradtui.lab.errors import SettingError

TRAIN, TEST = 10_000, 2_000


def load_mnist() -> Dataset:
    """Handwritten digits, [N, 784] float32. Raises SettingError."""
    train, test = (_read("mnist", train=train) for train in (True, False))
    return _scaled(train.data, train.targets, test.data, test.targets, (1, *train.data.shape[1:]))


def load_cifar10() -> Dataset:
    """Colour photographs of ten kinds of things, [N, 3072] float32, channels first. Raises SettingError."""
    train, test = (_read("cifar10", train=train) for train in (True, False))
    images, test_images = (torch.from_numpy(part.data).permute(0, 3, 1, 2) for part in (train, test))
    return _scaled(images, torch.tensor(train.targets), test_images, torch.tensor(test.targets), (3, 32, 32))


def _read(data: str, *, train: bool) -> Any:
    """torchvision's data set, with its `data` and `targets`. Raises SettingError."""
    files.require(data)
    try:
        from torchvision import datasets
    except Exception as error:  # a torchvision of another torch's ends in RuntimeError, one without Pillow in ImportError
        why = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise SettingError(
            f"data is {data}, and torchvision cannot be imported ({why}); install the one made for torch {torch.__version__}"
        ) from None
    where = files.directory()
    try:
        return getattr(datasets, files.CLASSES[data])(where, train=train, download=False)
    except Exception as error:  # checksums and formats are its own; a damaged file can end in any
        why = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise SettingError(
            f"data is {data}, and torchvision.datasets.{files.CLASSES[data]} does not take the files in {where} ({why}); "
            "delete them and let it download them again"
        ) from None


def _scaled(images: Tensor, labels: Tensor, test_images: Tensor, test_labels: Tensor, image: tuple[int, ...]) -> Dataset:
    """Scaled as the shipped digits are: per-pixel mean removed, one global r.m.s. = 1."""
    if len(images) != len(labels) or len(test_images) != len(test_labels):
        raise SettingError(f"{files.directory()}: as many images as labels are needed")
    x, test_x = images[:TRAIN].flatten(1).float(), test_images[:TEST].flatten(1).float()
    mean = x.mean(0)
    scale = (x - mean).pow(2).mean().sqrt()
    channels, height, width = image
    return Dataset(
        (x - mean) / scale,
        labels[:TRAIN].long(),
        (test_x - mean) / scale,
        test_labels[:TEST].long(),
        classes=10,
        image=(channels, height, width),
    )
