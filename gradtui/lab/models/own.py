"""A user's own network: whatever nn.Module their function returns."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from gradtui.lab import bringing
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
