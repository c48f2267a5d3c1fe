"""MNIST and CIFAR-10 from files that are already there, read by parsers of our own.

torchvision writes both in their publishers' formats, so its files need no torchvision to be read; and CIFAR-10's are
pickles, which torchvision unpickles: a pickle can run anything. Here only the three names that rebuild an array are known,
and each of them stands for a container.

Only the first TRAIN and TEST images are used: the subject is the first few hundred steps of a training.
"""

from __future__ import annotations

import gzip
import math
import pickle
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gradtui.lab import files
from gradtui.lab.data.dataset import Dataset
from gradtui.lab.errors import SettingError

TRAIN, TEST = 10_000, 2_000
UNSIGNED_BYTES = 0x08
"""The IDX format's code of its element type."""


def load_mnist() -> Dataset:
    """Handwritten digits, [N, 784] float32. Raises SettingError."""
    files.require("mnist")
    images, labels, test_images, test_labels = (read_idx(files.find(name)) for name in files.MNIST)
    return _scaled(images, labels, test_images, test_labels, (1, *images.shape[1:]))


def load_cifar10() -> Dataset:
    """Colour photographs of ten kinds of things, [N, 3072] float32. Raises SettingError."""
    files.require("cifar10")
    *train, test = (read_cifar10(files.find(name)) for name in files.CIFAR10)
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    return _scaled(images, labels, *test, (3, 32, 32))


def read_idx(path: Path) -> Tensor:
    """The uint8 tensor in an IDX file: two zero bytes, the type, the number of dimensions, their sizes, the elements."""
    raw = _read(path)
    dimensions = int.from_bytes(raw[3:4], "big") if raw[:3] == bytes((0, 0, UNSIGNED_BYTES)) else 0
    head = 4 + 4 * dimensions
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, head, 4)]
    if not dimensions or not math.prod(shape) or len(raw) != head + math.prod(shape):
        raise SettingError(f"{path}: is not a whole IDX file of bytes")
    return torch.frombuffer(bytearray(raw[head:]), dtype=torch.uint8).reshape(shape)


def read_cifar10(path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3072] and labels [N], uint8, of one batch of CIFAR-10's Python version."""
    try:
        with path.open("rb") as file:
            batch = _Unpickler(file, encoding="bytes").load()
        pixels, labels = batch[b"data"].raw, bytes(batch[b"labels"])
    except Exception as error:  # a damaged pickle can end in any
        raise SettingError(f"{path}: is not a batch of CIFAR-10's Python version: {error}") from None
    if not labels or len(pixels) != 3072 * len(labels):
        raise SettingError(f"{path}: is not a batch of CIFAR-10's Python version: {len(pixels)} bytes for {len(labels)} images")
    table = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(len(labels), 3072)
    return table, torch.frombuffer(bytearray(labels), dtype=torch.uint8)


class _Array:
    """What a pickled numpy array of bytes comes back as."""

    raw = b""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """An array's state ends with its elements; a dtype's, which comes through here as well, with its alignment."""
        self.raw = state[-1] if isinstance(state[-1], bytes) else b""


class _Unpickler(pickle.Unpickler):
    """Knows the names that numpy 1 and 2 give to an array's parts, and no others."""

    def find_class(self, module: str, name: str) -> type:
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return _Array
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise SettingError(f"{path}: cannot be read: {error}") from None


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
