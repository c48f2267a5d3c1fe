"""What a module is to the probe: a normalisation, an activation, a recurrent cell, or closed to hooks.

Slopes are what decides whether a unit is saturated or dead, so each activation's derivative is spelled out here as a function of
its input or output: exact, deterministic (autograd through `RReLU` would draw random numbers and change the training) and cheap.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import activation
from torch.nn.modules.batchnorm import _NormBase


@dataclass(frozen=True)
class Slope:
    """An activation's derivative. Equal ones are the same function, so that calls of different modules can be taken together."""

    of: Callable[..., Tensor]
    numbers: tuple[Any, ...] = ()
    """What the module adds to it: floats, or a parameter."""
    from_output: bool = False
    """Whether it is a function of what the activation returns, rather than of what it is given."""

    def __call__(self, stack: Tensor) -> Tensor:
        """A new tensor of slopes, for inputs (or outputs) of several calls, (calls, …)."""
        return self.of(stack, *self.numbers)


# Layers such as LlamaRMSNorm are written anew by every model library; their names are all they have in common.
_NORM_NAME = re.compile(r"(Batch|Layer|Group|Instance|RMS)_?Norm(\dd)?$")
_NOT_ELEMENTWISE = (nn.MultiheadAttention, nn.GLU, nn.Softmax, nn.Softmin, nn.Softmax2d, nn.LogSoftmax)


_PUT_OVER = ("FSDP", "Parametrized")
"""What sharding, and parametrizing (weight normalisation, say), put before the name of the class that they derive from a module's own."""


def class_name(module: nn.Module) -> str:
    """The name of the class that the network was written with."""
    kind = type(module)
    while own := [base for base in kind.__bases__ if kind.__name__ in [over + base.__name__ for over in _PUT_OVER]]:
        kind = own[0]
    return kind.__name__


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


def _find(slopes: dict[type[nn.Module], Callable[[Any], Slope]], module: nn.Module) -> Slope | None:
    return next((slopes[kind](module) for kind in type(module).__mro__ if kind in slopes), None)


def _dynamo_loaded() -> bool:
    # Importing torch._dynamo costs a second; a module can only be compiled once somebody else has paid it.
    return "torch._dynamo" in sys.modules


def _sigmoid(h: Tensor) -> Tensor:
    return 4 * h * (1 - h)  # over its largest


def _tanh(h: Tensor) -> Tensor:
    return 1 - h.square()


def _relu(h: Tensor) -> Tensor:
    return (h > 0).to(h.dtype)


def _relu6(h: Tensor) -> Tensor:
    return ((h > 0) & (h < 6)).to(h.dtype)


def _leaky(z: Tensor, otherwise: float) -> Tensor:
    return torch.where(z > 0, 1.0, otherwise)


def _prelu(z: Tensor, weight: Tensor) -> Tensor:
    weight = weight.detach()
    return torch.where(z > 0, 1.0, weight.view(-1, *[1] * (z.ndim - 3)) if weight.numel() > 1 else weight)


def _elu(z: Tensor, alpha: float, width: float, scale: float) -> Tensor:
    return scale * torch.where(z > 0, 1.0, alpha / width * (z.clamp(max=0) / width).exp())


def _gelu(z: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(z / math.sqrt(2))) + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _silu(z: Tensor) -> Tensor:
    gate = z.sigmoid()
    return gate * (1 + z * (1 - gate))


def _mish(z: Tensor) -> Tensor:
    bent = F.softplus(z).tanh()
    return bent + z * (1 - bent * bent) * z.sigmoid()


def _hardswish(z: Tensor) -> Tensor:
    return torch.where(z.abs() < 3, (2 * z + 3) / 6, (z >= 3).to(z.dtype))


def _softplus(z: Tensor, beta: float) -> Tensor:
    return (beta * z).sigmoid()


_SELU = 1.6732632423543772, 1.0, 1.0507009873554805  # Klambauer et al. 2017, as in PyTorch

_SATURATING: dict[type[nn.Module], Callable[[Any], Slope]] = {
    nn.Sigmoid: lambda _: Slope(_sigmoid, from_output=True),
    nn.Tanh: lambda _: Slope(_tanh, from_output=True),
}
_RECTIFYING: dict[type[nn.Module], Callable[[Any], Slope]] = {
    nn.ReLU: lambda _: Slope(_relu, from_output=True),
    nn.ReLU6: lambda _: Slope(_relu6, from_output=True),
    nn.LeakyReLU: lambda module: Slope(_leaky, (module.negative_slope,), from_output=module.negative_slope > 0),
    nn.RReLU: lambda module: Slope(_leaky, ((module.lower + module.upper) / 2,)),
    nn.PReLU: lambda module: Slope(_prelu, (module.weight,)),
    nn.ELU: lambda module: Slope(_elu, (module.alpha, 1.0, 1.0)),
    nn.CELU: lambda module: Slope(_elu, (module.alpha, module.alpha, 1.0)),
    nn.SELU: lambda _: Slope(_elu, _SELU),
    nn.GELU: lambda _: Slope(_gelu),
    nn.SiLU: lambda _: Slope(_silu),
    nn.Mish: lambda _: Slope(_mish),
    nn.Hardswish: lambda _: Slope(_hardswish),
    nn.Softplus: lambda module: Slope(_softplus, (module.beta,)),
}
_ACTIVATIONS = tuple(
    kind
    for kind in vars(activation).values()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind is not nn.Module and not issubclass(kind, _NOT_ELEMENTWISE)
)
