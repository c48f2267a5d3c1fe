"""Activation modules of a network that is in use, exchanged and put back.

Only modules without parameters change places, so the weights, their optimizer's state and what other code holds of them stay as they
are; every replacement remembers the module that was built there, and putting that back restores the very same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import nn

MODULES: Mapping[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}
OWN = "own"
"""The choice that leaves, or puts back, what the network was built with."""
_TYPES = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.ReLU6, nn.Mish)


class NoActivationsError(ValueError):
    """The network has no activation modules."""


def swap(models: Iterable[nn.Module], make: Callable[[], nn.Module] | None) -> None:
    """Put a module made by `make` wherever a model has an activation; None: put back what was built there.

    Raises NoActivationsError, and changes nothing, when there is none.
    """
    modules = [module for model in models for module in model.modules()]
    named = [(module, name, child) for module in modules for name, child in module._modules.items() if child is not None]
    places = [(module, name, child) for module, name, child in named if _is_activation(name, child)]
    if not places:
        raise NoActivationsError("activation: this network has no activation modules; functions that its forward calls cannot be swapped")
    for module, name, child in places:
        built: nn.Module = getattr(child, "stands_for", (child,))[0]
        new = built if make is None else make()
        if new is not built:
            new.train(built.training)
            new.__dict__["stands_for"] = (built,)  # in a tuple and past setattr: it is no part of the network
        setattr(module, name, new)


def _is_activation(name: str, module: nn.Module) -> bool:
    told_by_name = isinstance(module, nn.Identity) and name.endswith("activation")
    return told_by_name or hasattr(module, "stands_for") or isinstance(module, _TYPES)
