"""Live changes to a network between two steps: what the toggles do to its modules. Weights stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gradtui.lab.errors import SettingError
from gradtui.lab.models import parts
from gradtui.probe import activations
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
class LayerNormalised(Protocol):
    """A block that can have layer normalisation."""

    def set_layer_norm(self, kind: str) -> None: ...


@runtime_checkable
class Drawn(Protocol):
    """A block that can draw its weights anew."""

    def initialise(self, settings: Mapping[str, Value]) -> None: ...


def swap_activations(model: nn.Module, settings: Mapping[str, Value]) -> None:
    """Put the activation that `settings` name wherever the model has one, or a user's own back where they had it.

    Raises SettingError when there is none.
    """
    own = settings["activation"] == parts.OWN
    try:
        activations.swap([model], None if own else lambda: parts.activation(settings))
    except activations.NoActivationsError as error:
        raise SettingError(str(error)) from error


def set_norm(model: nn.Module, settings: Mapping[str, Value]) -> None:
    """Insert fresh batch normalisation in every block, or take it out."""
    for module in model.modules():
        if isinstance(module, Normalised):
            module.set_norm(str(settings["batch_norm"]))
    set_norm_scale(model, settings)


@torch.no_grad()
def set_norm_scale(model: nn.Module, settings: Mapping[str, Value]) -> None:
    """Set every batch normalisation's γ to its start."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            module.weight.fill_(float(settings["norm_scale"]))


def bypass_norms(model: nn.Module, *, bypassed: bool) -> None:
    """Let every normalisation return its input, or normalise again. It keeps its parameters, running statistics and optimizer
    state, and its name: an nn.Identity in its place would lose them. Raises SettingError when there is none."""
    norms = [module for module in model.modules() if isinstance(module, parts.NORM_TYPES)]
    if not norms:
        raise SettingError("norm_bypass: this network has no normalisation modules")
    for norm in norms:
        norm.__dict__.pop("forward", None)
        if bypassed:
            norm.__dict__["forward"] = _unchanged


def _unchanged(x: Tensor) -> Tensor:
    return x


def set_layer_norm(model: nn.Module, kind: str) -> None:
    """Insert fresh layer normalisation where `kind` puts it, or take it out."""
    for module in list(model.modules()):
        if isinstance(module, LayerNormalised):
            module.set_layer_norm(kind)


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
