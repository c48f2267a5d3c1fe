"""Which rows belong to which optimizer.

Every row is measured when the optimizer that updates it steps: only then are its gradients the ones it will be updated with (the
critic's are rubbish while a generator learns through it). A row that nothing updates goes with the rest of its network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn
from torch.optim import Optimizer

from gradtui.probe.rows import Row

OUTSIDE = "outside the model"


class Outside(nn.Module):
    """A parameter that an optimizer updates and no module owns."""

    def __init__(self, parameter: nn.Parameter) -> None:
        super().__init__()
        self.parameter = parameter


def parameters_of(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def updates(optimizer: Optimizer, model: nn.Module) -> bool:
    return not set(parameters_of(optimizer)).isdisjoint(model.parameters())


def with_outsiders(models: Mapping[str, nn.Module], optimizers: Sequence[Optimizer]) -> dict[str, nn.Module]:
    """The models, and one more that owns the parameters that only an optimizer knows, if there are any."""
    inside = {parameter for model in models.values() for parameter in model.parameters()}
    found = dict.fromkeys(parameter for optimizer in optimizers for parameter in parameters_of(optimizer) if parameter not in inside)
    outside = [parameter for parameter in found if isinstance(parameter, nn.Parameter)]
    if not outside:
        return dict(models)
    return {**models, OUTSIDE: nn.ModuleDict({f"parameter {index}": Outside(parameter) for index, parameter in enumerate(outside)})}


def owner_of(row: Row, models: Mapping[str, nn.Module], owned: Sequence[set[nn.Parameter]]) -> int:
    """The place of the optimizer that updates the row; `owned`: each optimizer's parameters."""
    own = row.parameters or (list(row.source.parameters()) if row.source else [])
    network = models[row.layer.group].parameters()
    for candidates in (own, network):
        places = [place for parameter in candidates for place, those in enumerate(owned) if parameter in those]
        if places:
            return min(places)
    return 0


def labels(models: Mapping[str, nn.Module], optimizers: Sequence[Optimizer]) -> list[str]:
    """A name for each optimizer: the network's that it updates, where it updates one of several, else its class's."""
    found: list[str] = []
    for optimizer in optimizers:
        updated = [group for group, model in models.items() if group and updates(optimizer, model)]
        name = updated[0] if len(updated) == 1 else type(optimizer).__name__
        found.append(name if name not in found else f"{name} {len(found) + 1}")
    return found
