"""What is watched: networks and their optimizers, each with a clock and the rows that are its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from gradtui.probe import probes
from gradtui.probe.rows import Row
from gradtui.stream.events import Layer
from gradtui.watching import ownership
from gradtui.watching.clock import Clock
from gradtui.watching.watcher import Watcher

_NAMED = 3
"""Layers that a message names."""


@dataclass(frozen=True)
class Subject:
    """Networks by name (empty: the only one), and what updates them."""

    networks: dict[str, nn.Module]
    optimizers: list[Optimizer]

    def clocks(self, watcher: Watcher) -> list[Clock]:
        """A clock for each optimizer, of the rows as the networks now have them."""
        models = ownership.with_outsiders(self.networks, self.optimizers)
        owners = ownership.Owners(models, self.optimizers)

        def keeper(place: int) -> Callable[[Row], bool]:
            return lambda row: owners.of(row) == place

        names = ownership.labels(self.networks, self.optimizers)
        found = probes(models, [keeper(place) for place in range(len(names))])
        return [Clock(name, optimizer, probe, watcher) for name, optimizer, probe in zip(names, self.optimizers, found, strict=True)]

    def identities(self) -> list[int]:
        """Tells whether parameters, or modules that own some, came or went."""
        found: list[int] = []
        for module in (module for model in self.networks.values() for module in model.modules()):
            if own := [id(parameter) for parameter in module.parameters(recurse=False)]:
                found += [id(module), *own]
        return found + [id(parameter) for optimizer in self.optimizers for parameter in ownership.parameters_of(optimizer)]

    def frozen(self, trained: Mapping[nn.Parameter, bool]) -> list[bool]:
        """Tells whether parameters were frozen or thawed; `trained`: which of the optimizers' parameters are not frozen."""
        models = [parameter for model in self.networks.values() for parameter in model.parameters()]
        return [not trained.get(parameter, parameter.requires_grad) for parameter in models + list(trained)]


def layers_of(clocks: Sequence[Clock], trained: Mapping[nn.Parameter, bool]) -> list[Layer]:
    """All clocks' layers, in the order the forward pass reaches them; `trained`: which of the optimizers' parameters are not frozen."""
    found: dict[int, Layer] = {}
    for clock in clocks:
        found |= clock.layers(trained)
    return [found[place] for place in sorted(found)]


def torn_layers(clocks: Sequence[Clock]) -> str | None:
    """Of optimizers that step inside the backward pass: what there is to tell of the layers of whose parameters several update some."""
    owned = [set(ownership.parameters_of(clock.optimizer)) for clock in clocks]
    rows = [pair for clock in clocks for pair in zip(clock.probe.layers, clock.probe.row_parameters, strict=True)]
    torn = [layer.name for layer, own in rows if sum(not those.isdisjoint(own) for those in owned) > 1]
    if not torn:
        return None
    return (
        "gradtui: the optimizers step inside the backward pass, when not every gradient is there: of the layers that several of them "
        f"update, only what the first of those updates is sure to be measured: {', '.join(torn[:_NAMED])}"
        + (f" and {len(torn) - _NAMED} more" if len(torn) > _NAMED else "")
    )


def inside_backward() -> bool:
    """Whether this is called from a hook on a gradient, as an optimizer is that steps for each parameter as soon as it can."""
    return torch._C._current_graph_task_id() != -1
