"""A user's own network: whatever nn.Module their function returns."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradtui.lab import bringing
from gradtui.lab.data import Dataset
from gradtui.lab.errors import SettingError
from gradtui.stream.events import Value


def build(name: str, options: Mapping[str, Value]) -> nn.Module:
    """The network that the function `name` returns for `options` as its keyword arguments. Raises SettingError."""
    model = bringing.call("model", name, **options)
    if not isinstance(model, nn.Module):
        raise SettingError(f"model: {name} returned a {type(model).__name__}; it is a torch.nn.Module")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SettingError(f"model: {name} returned a {type(model).__name__} with nothing to train; its parameters need requires_grad")
    # The fast path of torch's transformer layers goes past their norms and activations, so a change to those would not be seen there.
    torch.backends.mha.set_fastpath_enabled(False)
    return model


ROWS = 2
"""So many rows of the test set are enough to see whether a network takes them."""


def look(name: str, model: nn.Module, data: Dataset) -> None:
    """One forward of a few rows. Raises SettingError where the network, called `name`, does not fit the data."""
    x, y = data.test_x[:ROWS], data.test_y[:ROWS]
    given = f"{str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
    try:
        output = model(x)
    except Exception as error:
        raise bringing.failed("model", name, f"failed when it was given {given}", error) from error
    if not isinstance(output, Tensor):
        raise SettingError(f"model: {name} was given {given} and returned a {type(output).__name__}; it is a tensor")
    if data.classes and y.ndim == 1:
        if output.ndim != 2 or len(output) != len(x) or output.shape[1] < data.classes:
            right = f"({len(x)}, {data.classes}), a number for each row and class"
            raise SettingError(f"model: {name} was given {given} and returned the shape {tuple(output.shape)}; it is {right}")
    elif not data.classes and output.numel() != y.numel():
        right = f"{tuple(y.shape)}, as the targets are"
        raise SettingError(f"model: {name} was given {given} and returned the shape {tuple(output.shape)}; it is {right}")
