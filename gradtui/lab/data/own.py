"""A user's own data set: what their function returns, checked before anything trains on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradtui.lab import bringing
from gradtui.lab.data.dataset import Dataset
from gradtui.lab.errors import SettingError

PARTS = ("train_x", "train_y", "test_x", "test_y")


def load(name: str) -> Dataset:
    """The Dataset, or the four tensors (train_x, train_y, test_x, test_y), that the function `name` returns.

    Whole-numbered targets are classes from 0 up; others are regressed on. Raises SettingError.
    """
    found = bringing.call("data", name)
    if isinstance(found, Dataset):
        return found
    if not isinstance(found, (tuple, list)) or len(found) != len(PARTS):
        raise SettingError(f"data: {name} returned {_kind(found)}; it is a Dataset or ({', '.join(PARTS)})")
    tensors = [_tensor(name, part, value) for part, value in zip(PARTS, found, strict=True)]
    for x, y in ((0, 1), (2, 3)):
        if not len(tensors[x]) or len(tensors[x]) != len(tensors[y]):
            raise SettingError(f"data: {name} returned {len(tensors[x])} {PARTS[x]} and {len(tensors[y])} {PARTS[y]}; as many are needed")
    for train, test in ((0, 2), (1, 3)):
        if tensors[train].shape[1:] != tensors[test].shape[1:]:
            shapes = f"{PARTS[train]} of shape {_shape(tensors[train])} and {PARTS[test]} of {_shape(tensors[test])}"
            raise SettingError(f"data: {name} returned {shapes}; they differ in the number of rows only")
    return _dataset(name, *tensors)


def _dataset(name: str, train_x: Tensor, train_y: Tensor, test_x: Tensor, test_y: Tensor) -> Dataset:
    image = None
    if train_x.ndim == 4:
        _, channels, height, width = train_x.shape
        image = (channels, height, width)
    if train_y.is_floating_point():
        return Dataset(train_x, train_y.float(), test_x, test_y.float(), classes=0, image=image)
    if train_y.ndim != 1 or test_y.ndim != 1:
        raise SettingError(f"data: {name} returned classes of {train_y.ndim} dimensions; they are one whole number an example")
    classes = torch.cat([train_y, test_y]).long()
    if int(classes.min()) < 0:
        raise SettingError(f"data: {name} returned the class {int(classes.min())}; classes count from 0")
    return Dataset(train_x, train_y.long(), test_x, test_y.long(), classes=int(classes.max()) + 1, image=image)


def _tensor(name: str, part: str, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise SettingError(f"data: {name} returned {_kind(value)} as {part}; it is a tensor or an array") from None
    if not tensor.ndim:
        raise SettingError(f"data: {name} returned one number as {part}; it is a tensor of one row an example")
    return tensor.float() if tensor.is_floating_point() else tensor


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _kind(value: object) -> str:
    return f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
