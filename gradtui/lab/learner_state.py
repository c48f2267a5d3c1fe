"""What a learner's next update depends on, as plain copies on the CPU: its network's tensors, its optimizer's state, its counters.

By name rather than in order: toggles put modules in and take them out, and a network built anew with the same toggles
in force has the same names, not always the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class LearnerState:
    """A learner between two updates."""

    tensors: dict[str, Tensor]
    """Parameters and buffers."""
    parameters: list[str]
    """The parameters' names in the optimizer's order."""
    optimizer: dict[str, dict[str, Any]]
    """The optimizer's state of each parameter that has one."""
    updates: int
    warmup_began: int


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, those that a state_dict leaves out included."""
    return {name: _copy(tensor.detach()) for name, tensor in _named(model).items()}


@torch.no_grad()
def put_tensors(model: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Give every parameter and buffer its kept value. Raises KeyError when the network is not the same."""
    for name, tensor in _named(model).items():
        tensor.copy_(kept[name])


def copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state of one parameter; its tensors share nothing with it."""
    return {key: _copy(value) if isinstance(value, Tensor) else value for key, value in values.items()}


def _copy(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)


def _named(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
