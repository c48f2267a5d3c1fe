"""Which rows a model has: the modules that own parameters, in the order in which a forward pass reaches them.

Normalisations and activations with parameters are folded into the layer they belong to, so that rows keep their names and order
when batch norm is switched on or another activation takes over while the model trains.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from gradtui.probe.kinds import class_name, is_activation, is_cell, is_normalisation, is_opaque
from gradtui.probe.trace import Call, Key, Trace
from gradtui.stream.events import Layer


@dataclass(eq=False)
class Row:
    """One row, and what has to be hooked to measure it."""

    layer: Layer
    parameters: list[nn.Parameter] = field(default_factory=list)
    """Without those that an earlier row owns as well."""
    source: nn.Module | None = None
    """The module whose output is the pre-activation, or whose t-th output is this time step's state; None: it cannot be seen."""
    units: int = -1
    """The dimension of the pre-activation that counts units (channels, for a convolution)."""
    step: int | None = None
    """Which time step it is; None: it is not one."""

    @property
    def identity(self) -> tuple[str, str]:
        return self.layer.group, self.layer.name


def find_rows(model: nn.Module, group: str, trace: Trace, counted: set[nn.Parameter]) -> list[Row]:
    """The rows of `model` as `trace` reached them, those never reached last. Adds the parameters it counts to `counted`."""
    return _Finder(model, trace).rows(group, counted)


def eager_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that hooks can see: those outside compiled and scripted ones, without the parts of parametrizations."""
    hidden = _parts_of_parametrizations(model)
    for module in model.modules():
        if is_opaque(module):
            hidden.update(module.modules())
    return [module for module in model.modules() if module not in hidden]


def _parts_of_parametrizations(model: nn.Module) -> set[nn.Module]:
    parametrized = [module for module in model.modules() if is_parametrized(module)]
    return {part for module in parametrized for part in module.parametrizations.modules()}  # type: ignore[union-attr]


def _own_parameters(model: nn.Module) -> dict[nn.Module, list[nn.Parameter]]:
    """Module -> the parameters it owns itself; a parametrized weight's stay with the module whose weight it is."""
    parts = _parts_of_parametrizations(model)
    own: dict[nn.Module, list[nn.Parameter]] = {}
    for module in model.modules():
        if module in parts:
            continue
        found = list(module.parameters(recurse=False))
        if is_parametrized(module):
            found += list(module.parametrizations.parameters())  # type: ignore[union-attr]
        if found:
            own[module] = list(dict.fromkeys(found))
    return own


class _Finder:
    """The folding of one traced forward pass into rows; a class only because its steps share so many lookups."""

    def __init__(self, model: nn.Module, trace: Trace) -> None:
        self._model = model
        self._names = {module: _clean(name) or type(module).__name__ for name, module in model.named_modules()}
        self._own = _own_parameters(model)
        self._parents = {child: parent for parent in self._names for child in parent.children()}
        self._eager = set(eager_modules(model))
        self._calls: dict[nn.Module, list[Call]] = defaultdict(list)
        for call in trace.calls:
            if call.module in self._names:
                self._calls[call.module].append(call)
        self._mains = {module for module in self._own if not is_normalisation(module) and not is_activation(module)}
        self._containers = {outer.module for main in self._mains for call in self._calls[main] for outer in call.ancestors()}
        self._cells = self._find_cells()
        self._folded: dict[nn.Module, list[nn.Module]] = defaultdict(list)
        self._source: dict[nn.Module, nn.Module] = {}
        self._fold()

    def rows(self, group: str, counted: set[nn.Parameter]) -> list[Row]:
        swallowed = {module for guests in self._folded.values() for module in guests}
        rows: list[tuple[tuple[float, ...], Row]] = []
        for index, module in enumerate(self._names):
            if module in self._own and module not in swallowed:
                rows.append((self._place(module, index), self._row(module, group)))
            if module in self._cells:
                entered = self._calls[module][0].entered
                rows += [((entered, 1, step, index), self._time_step(module, step, group)) for step in range(self._time_steps(module))]
        ordered = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
        for row in ordered:
            row.parameters = [parameter for parameter in row.parameters if parameter not in counted]
            counted.update(row.parameters)
            size = sum(parameter.numel() for parameter in row.parameters if not is_lazy(parameter))
            row.layer = msgspec.structs.replace(row.layer, parameters=size)
        return ordered

    def _find_cells(self) -> set[nn.Module]:
        looped = {module for module in self._calls if is_cell(module) and self._time_steps(module) > 1}
        return {cell for cell in looped if not any(outer.module in looped for outer in self._calls[cell][0].ancestors())}

    def _time_steps(self, cell: nn.Module) -> int:
        """How often a pass through the network calls it, at most; a call outside of any counts as one of the same."""
        passes = (next((outer for outer in call.ancestors() if outer.module is self._model), None) for call in self._calls[cell])
        return max(Counter(passes).values(), default=0)

    def _fold(self) -> None:
        """Give every normalisation, and every activation with parameters, to the layer before it, else to the one after it."""
        leaves = self._mains - self._containers
        produced: dict[Key, nn.Module] = {}
        consumers: dict[Key, nn.Module] = {}
        for call in (call for leaf in leaves for call in self._calls[leaf]):
            if call.output is not None:
                produced[call.output] = call.module
        for call in sorted((call for leaf in leaves for call in self._calls[leaf]), key=lambda call: call.entered):
            for key in call.inputs:
                consumers.setdefault(key, call.module)
        guests = [module for module in self._calls if is_normalisation(module) or (is_activation(module) and module in self._own)]
        for guest in guests:
            calls = self._calls[guest]
            normalises = is_normalisation(guest)
            before = _only(produced.get(call.inputs[0]) if call.inputs else None for call in calls)
            if before is not None:
                self._folded[before].append(guest)
                if normalises:
                    self._source[before] = guest
                    produced.update({call.output: before for call in calls if call.output is not None})
                continue
            after = _only(consumers.get(call.output) if call.output else None for call in calls) if normalises else None
            host = after or self._row_of_enclosing_cell(calls[0])
            if host is not None:
                self._folded[host].append(guest)

    def _row_of_enclosing_cell(self, call: Call) -> nn.Module | None:
        """The first row of the recurrent cell around `call`: what a cell normalises is a sum that no module of its own returns."""
        cell = self._enclosing_cell(call)
        return next((module for module in cell.modules() if module in self._mains), None) if cell else None

    def _place(self, module: nn.Module, index: int) -> tuple[float, ...]:
        """What to sort by: when the module was first entered; inside a recurrent cell, when the cell was, before its time steps."""
        if not self._mains <= self._eager:
            return (index,)  # what is compiled cannot be seen to be reached, so all go by registration
        parent = self._parents.get(module)
        if self._calls[module]:
            first = self._calls[module][0]
        elif parent in self._own and parent is not self._model and self._calls[parent]:
            first = self._calls[parent][0]  # its owner uses its parameters itself, as MultiheadAttention does
        else:
            return (math.inf, index)
        cell = self._enclosing_cell(first)
        return (self._calls[cell][0] if cell else first).entered, 0, first.entered, index

    def _enclosing_cell(self, call: Call) -> nn.Module | None:
        return next((outer.module for outer in call.ancestors() if outer.module in self._cells), None)

    def _row(self, module: nn.Module, group: str) -> Row:
        owners = [module, *self._folded[module]]
        visible = module in self._eager and module not in self._containers and module not in self._cells
        source = self._source.get(module, module) if visible else None
        layer = Layer(
            name=self._names[module],
            kind=class_name(module),
            shape=_weight_shape(module, self._own[module]),
            frozen=not any(parameter.requires_grad for owner in owners for parameter in self._own.get(owner, [])),
            group=group,
        )
        parameters = [parameter for owner in owners for parameter in self._own.get(owner, [])]
        return Row(layer, list(dict.fromkeys(parameters)), source, _unit_dimension(module, source))

    def _time_step(self, cell: nn.Module, step: int, group: str) -> Row:
        return Row(Layer(name=f"{self._names[cell]} t={step}", kind="time step", group=group), source=cell, step=step)


def _only(modules: Iterable[nn.Module | None]) -> nn.Module | None:
    """The one module they all are; None when they differ."""
    found = set(modules)
    return found.pop() if len(found) == 1 else None


def _clean(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _weight_shape(module: nn.Module, parameters: list[nn.Parameter]) -> list[int]:
    known = [parameter for parameter in parameters if not is_lazy(parameter)]
    weight = module._parameters.get("weight")
    if weight is None or is_lazy(weight):
        weight = max(known, key=lambda parameter: (parameter.ndim >= 2, parameter.numel()), default=None)
    return [] if weight is None else list(weight.shape)


def _unit_dimension(module: nn.Module, source: nn.Module | None) -> int:
    if isinstance(module, nn.modules.conv._ConvNd):
        return -1 - len(module.kernel_size)
    return 1 if isinstance(source, nn.modules.batchnorm._NormBase | nn.GroupNorm) else -1
