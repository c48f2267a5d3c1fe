"""Which rows belong to which optimizer.

Every row is measured when the optimizer that updates it steps: only then are its gradients the ones it will be updated with (the
critic's are rubbish while a generator learns through it). A row that nothing updates goes with the rest of its network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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


def spoken(optimizers: Iterable[Optimizer]) -> str:
    """What they are, as a sentence can say it: `Adam and SGD`."""
    return " and ".join(dict.fromkeys(type(optimizer).__name__ for optimizer in optimizers))


def trained_by(optimizer: Optimizer) -> dict[nn.Parameter, bool]:
    """Whether each of its parameters is not frozen, as it is now."""
    return {parameter: parameter.requires_grad for parameter in parameters_of(optimizer)}


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


class Owners:
    """The optimizers as what updates the rows of `models`, by their places."""

    def __init__(self, models: Mapping[str, nn.Module], optimizers: Sequence[Optimizer]) -> None:
        self._places: dict[nn.Parameter, int] = {}
        for place, optimizer in enumerate(optimizers):
            for parameter in parameters_of(optimizer):
                self._places.setdefault(parameter, place)
        self._of_networks = {group: self._first(model.parameters()) or 0 for group, model in models.items()}

    def of(self, row: Row) -> int:
        """The place of the optimizer that updates the row, or the rest of its network."""
        own = row.parameters or (row.source.parameters() if row.source else ())
        found = self._first(own)
        return self._of_networks[row.layer.group] if found is None else found

    def _first(self, parameters: Iterable[nn.Parameter]) -> int | None:
        return min((self._places[parameter] for parameter in parameters if parameter in self._places), default=None)


def labels(models: Mapping[str, nn.Module], optimizers: Sequence[Optimizer]) -> list[str]:
    """A name for each optimizer: the network's that it updates, where it updates one of several, else its class's."""
    found: list[str] = []
    for optimizer in optimizers:
        updated = [group for group, model in models.items() if group and updates(optimizer, model)]
        name = updated[0] if len(updated) == 1 else type(optimizer).__name__
        found.append(name if name not in found else f"{name} {len(found) + 1}")
    return found
