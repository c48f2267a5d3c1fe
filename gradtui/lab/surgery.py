"""Live changes to a network between two steps: what the toggles do to its modules. Weights stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import nn

from gradtui.lab.models import parts
from gradtui.stream.events import Value


@runtime_checkable
class Normalised(Protocol):
    """A block that can have batch normalisation."""

    def set_norm(self, kind: str) -> None: ...


@runtime_checkable
class Residual(Protocol):
    """A block that can have a skip."""

    def set_branch(self, weight: float) -> None: ...


@runtime_checkable
class Drawn(Protocol):
    """A block that can draw its weights anew."""

    def initialise(self, settings: Mapping[str, Value]) -> None: ...


def swap_activations(model: nn.Module, settings: Mapping[str, Value]) -> None:
    """Put the activation that `settings` name wherever the model has one."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if name.endswith("activation") or isinstance(child, parts.ACTIVATION_TYPES):
                setattr(module, name, parts.activation(settings))


def set_norm(model: nn.Module, kind: str) -> None:
    """Insert fresh batch normalisation in every block, or take it out."""
    for module in model.modules():
        if isinstance(module, Normalised):
            module.set_norm(kind)


def set_skip(model: nn.Module, kind: str) -> None:
    """Give every residual block its skip, or take it away."""
    blocks = [module for module in model.modules() if isinstance(module, Residual)]
    for block in blocks:
        block.set_branch(parts.branch_weight(kind, len(blocks)))


def reinitialise(model: nn.Module, settings: Mapping[str, Value]) -> None:
    """Draw the weights of every block anew, as `init` says; the read-out keeps its own."""
    for module in model.modules():
        if isinstance(module, Drawn):
            module.initialise(settings)
