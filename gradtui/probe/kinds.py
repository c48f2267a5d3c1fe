"""What a module is to the probe: a normalisation, an activation, a recurrent cell, or closed to hooks.

Slopes are what decides whether a unit is saturated or dead, so each activation's derivative is spelled out here as a function of
its input: exact, deterministic (autograd through `RReLU` would draw random numbers and change the training) and cheap.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import activation
from torch.nn.modules.batchnorm import _NormBase

Slope = Callable[[Any, Tensor], Tensor]

# Layers such as LlamaRMSNorm are written anew by every model library; their names are all they have in common.
_NORM_NAME = re.compile(r"(Batch|Layer|Group|Instance|RMS)_?Norm(\dd)?$")
_NOT_ELEMENTWISE = (nn.MultiheadAttention, nn.GLU, nn.Softmax, nn.Softmin, nn.Softmax2d, nn.LogSoftmax)


def is_normalisation(module: nn.Module) -> bool:
    known = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
    return isinstance(module, known) or _NORM_NAME.search(type(module).__name__) is not None


def is_activation(module: nn.Module) -> bool:
    """Whether the module applies one function to every entry (softmax and attention do not)."""
    return isinstance(module, _ACTIVATIONS)


def is_cell(module: nn.Module) -> bool:
    """Whether one call of the module is one time step: PyTorch's own cells, and classes that say `time_step = True`."""
    return isinstance(module, nn.RNNCellBase) or getattr(type(module), "time_step", False) is True


def is_opaque(module: nn.Module) -> bool:
    """Whether hooks inside the module are ignored or break its graph: it is compiled or scripted."""
    compiled = isinstance(module, torch._dynamo.OptimizedModule) if _dynamo_loaded() else False
    return compiled or getattr(module, "_compiled_call_impl", None) is not None or isinstance(module, torch.jit.ScriptModule)


def saturating_slope(module: nn.Module) -> Slope | None:
    """The derivative over its maximum, for sigmoid and tanh; None for every other activation."""
    return _find(_SATURATING, module)


def rectifying_slope(module: nn.Module) -> Slope | None:
    """The derivative, for the ReLU family; None for every other activation."""
    return _find(_RECTIFYING, module)


def _find(slopes: dict[type[nn.Module], Slope], module: nn.Module) -> Slope | None:
    return next((slopes[kind] for kind in type(module).__mro__ if kind in slopes), None)


def _dynamo_loaded() -> bool:
    # Importing torch._dynamo costs a second; a module can only be compiled once somebody else has paid it.
    return "torch._dynamo" in sys.modules


def _leaky(positive: Tensor, otherwise: float | Tensor) -> Tensor:
    return torch.where(positive, 1.0, otherwise)


def _prelu(module: nn.PReLU, z: Tensor) -> Tensor:
    weight = module.weight.detach()
    return _leaky(z > 0, weight.view(-1, *[1] * (z.ndim - 2)) if weight.numel() > 1 else weight)


def _selu(_: nn.SELU, z: Tensor) -> Tensor:
    alpha, scale = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017, as in PyTorch
    return scale * _leaky(z > 0, alpha * z.clamp(max=0).exp())


def _gelu(_: nn.GELU, z: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(z / math.sqrt(2))) + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _silu(_: nn.SiLU, z: Tensor) -> Tensor:
    gate = z.sigmoid()
    return gate * (1 + z * (1 - gate))


def _mish(_: nn.Mish, z: Tensor) -> Tensor:
    bent = F.softplus(z).tanh()
    return bent + z * (1 - bent * bent) * z.sigmoid()


def _hardswish(_: nn.Hardswish, z: Tensor) -> Tensor:
    return torch.where(z.abs() < 3, (2 * z + 3) / 6, (z >= 3).to(z.dtype))


_SATURATING: dict[type[nn.Module], Slope] = {
    nn.Sigmoid: lambda _, z: 4 * z.sigmoid() * (1 - z.sigmoid()),
    nn.Tanh: lambda _, z: 1 - z.tanh().square(),
}
_RECTIFYING: dict[type[nn.Module], Slope] = {
    nn.ReLU: lambda _, z: (z > 0).to(z.dtype),
    nn.ReLU6: lambda _, z: ((z > 0) & (z < 6)).to(z.dtype),
    nn.LeakyReLU: lambda module, z: _leaky(z > 0, module.negative_slope),
    nn.RReLU: lambda module, z: _leaky(z > 0, (module.lower + module.upper) / 2),
    nn.PReLU: _prelu,
    nn.ELU: lambda module, z: _leaky(z > 0, module.alpha * z.clamp(max=0).exp()),
    nn.CELU: lambda module, z: _leaky(z > 0, (z.clamp(max=0) / module.alpha).exp()),
    nn.SELU: _selu,
    nn.GELU: _gelu,
    nn.SiLU: _silu,
    nn.Mish: _mish,
    nn.Hardswish: _hardswish,
    nn.Softplus: lambda module, z: (module.beta * z).sigmoid(),
}
_ACTIVATIONS = tuple(
    kind
    for kind in vars(activation).values()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind is not nn.Module and not issubclass(kind, _NOT_ELEMENTWISE)
)
