"""The parts that toggles swap: activations, normalisations, initialisations. All of them torch's own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradtui.probe.activations import MODULES, OWN
from gradtui.stream.events import Value

__all__ = ["NORM_TYPES", "OWN", "activation", "batch_norm", "branch_weight", "initialise", "initialise_read_out"]

NORM_TYPES = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def activation(settings: Mapping[str, Value]) -> nn.Module:
    """A new module of the activation that `settings` name."""
    name = str(settings["activation"])
    return nn.LeakyReLU(float(settings["leaky_slope"])) if name == "leaky_relu" else MODULES[name]()


def batch_norm(kind: str, features: int, dimensions: int) -> nn.Module:
    """Batch normalisation of `features` channels over `dimensions`-d inputs; `off` is the identity."""
    if kind == "off":
        return nn.Identity()
    make = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
    return make(features, affine=kind == "on")


def branch_weight(kind: str, branches: int) -> float:
    """The weight of f(x) beside x in a residual connection; 0: there is none. `scaled` is 1/√L, which keeps the gradient's
    growth over all L blocks bounded, where `plain` doubles it in each block of a He-initialised network."""
    return {"off": 0.0, "plain": 1.0, "scaled": 1 / math.sqrt(branches)}[kind]


@torch.no_grad()
def initialise(weight: Tensor, settings: Mapping[str, Value]) -> None:
    """Draw `weight` in place, as the toggle `init` says."""
    fan_in = weight[0].numel()
    match settings["init"]:
        case "xavier":
            nn.init.xavier_normal_(weight)
        case "he":
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        case "lecun":
            nn.init.normal_(weight, std=1 / math.sqrt(fan_in))
        case "orthogonal":
            nn.init.orthogonal_(weight)
        case "gaussian":
            nn.init.normal_(weight, std=float(settings["sigma_w"]) / math.sqrt(fan_in))
        case "identity":
            nn.init.eye_(weight)
        case "zeros":
            nn.init.zeros_(weight)
        case "constant":
            nn.init.constant_(weight, float(settings["sigma_w"]))


@torch.no_grad()
def initialise_read_out(layer: nn.Linear, settings: Mapping[str, Value]) -> None:
    """N(0, 1/fan_in) whatever `init` says: the profile is the hidden layers', and theory starts from a known δ at the top.

    Zeros and constants are the exception: a random read-out would tell apart the units that they make all alike.
    """
    if settings["init"] in ("zeros", "constant"):
        initialise(layer.weight, settings)
    else:
        nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_features))
    nn.init.zeros_(layer.bias)
