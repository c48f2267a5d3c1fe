"""The optimizers that the toggle `optimizer` names: torch's own, with torch's defaults beside the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn, optim

from gradtui.stream.events import Value

MOMENTUM = 0.9


def build(settings: Mapping[str, Value], parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """A new optimizer over `parameters`, its state fresh."""
    parameters = list(parameters)
    lr = float(settings["lr"])
    match settings["optimizer"]:
        case "sgd":
            return optim.SGD(parameters, lr)
        case "momentum":
            return optim.SGD(parameters, lr, momentum=MOMENTUM)
        case "nesterov":
            return optim.SGD(parameters, lr, momentum=MOMENTUM, nesterov=True)
        case "adagrad":
            return optim.Adagrad(parameters, lr)
        case "rmsprop":
            return optim.RMSprop(parameters, lr)
        case "adam":
            return optim.Adam(parameters, lr)
        case "adamw":
            return optim.AdamW(parameters, lr)
    raise AssertionError(settings["optimizer"])


def adopt(optimizer: optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Let `optimizer` update `parameters` from now on, keeping the state of those it knew."""
    parameters = list(parameters)
    optimizer.param_groups[0]["params"] = parameters
    known = set(parameters)
    for gone in [parameter for parameter in optimizer.state if parameter not in known]:
        del optimizer.state[gone]
