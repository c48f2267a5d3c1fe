"""The hooks of one frame's step: delta on the way back, activations on the way forward.

Gradients and activations are reduced where they pass and never kept. A delta is the r.m.s. over all entries of all calls and all
backward passes of the step: with gradient accumulation that is the delta of the whole batch, and a second backward pass through
the same forward counts as further entries. A pass with `create_graph=True` (a gradient penalty's) is not the loss's and is left out.
"""

from __future__ import annotations

import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradtui.probe import kinds
from gradtui.probe.kinds import Slope
from gradtui.probe.rows import Row
from gradtui.probe.seen import Seen
from gradtui.probe.table import Reader, Sheet
from gradtui.probe.trace import tensors
from gradtui.stream.events import Numbers

_FIELDS = ("delta_rms", "activation_mean", "activation_std", "saturated", "dead")


class ForwardHooks:
    """Installed on construction, gone after `remove`."""

    def __init__(self, models: Iterable[nn.Module], activations: Iterable[nn.Module], rows: Sequence[Row]) -> None:
        self._seen: dict[int, Seen] = defaultdict(Seen)
        self._rows = rows
        self._handles: list[RemovableHandle] = []
        self._waiting: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._inside: list[int | None] = []
        self._stale = False
        self.seconds = 0.0
        """Spent in the hooks."""
        self._calls: Counter[nn.Module] = Counter()
        steps: dict[nn.Module, dict[int, int]] = defaultdict(dict)
        for index, row in enumerate(rows):
            if row.step is not None and row.source is not None:
                steps[row.source][row.step] = index
            elif row.source is not None:
                self._handles.append(row.source.register_forward_hook(self._timed(partial(self._on_preactivation, index))))
        for cell, places in steps.items():
            self._handles.append(cell.register_forward_hook(self._timed(partial(self._on_time_step, places))))
        for model in models:
            if steps and model not in steps:
                self._handles.append(model.register_forward_pre_hook(lambda *_: self._calls.clear()))
        for module in activations:
            entered = partial(self._on_activation_entered, kinds.saturating_slope(module), kinds.rectifying_slope(module))
            self._handles.append(module.register_forward_pre_hook(self._timed(entered), with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._timed(self._on_activation_left)))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def start_over_at_next_forward(self) -> None:
        """What was seen so far is another step's, unless this step's forward pass was a part of it: forget it when a new one comes."""
        self._stale = True

    def _timed(self, hook: Callable[..., None]) -> Callable[..., None]:
        def timed(*args: Any) -> None:
            if torch.compiler.is_compiling():
                return
            started = time.perf_counter()
            hook(*args)
            self.seconds += time.perf_counter() - started

        return timed

    def _forget_if_stale(self) -> None:
        if self._stale:
            self._stale = False
            self._seen.clear()
            self._waiting.clear()

    def put(self, sheet: Sheet) -> Reader:
        """The fields that one forward and backward pass gives; a row that was not seen has None in all."""
        tensors = {row: seen.tensors() for row, seen in self._seen.items()}
        places = [sheet.put_all(chain.from_iterable(kind)) for kind in zip(*tensors.values(), strict=True)]

        def read(numbers: list[float]) -> dict[str, Numbers]:
            streams = [iter(numbers[place]) for place in places]
            found = {}
            for row, given in tensors.items():
                shares = (list(islice(stream, len(kind))) for stream, kind in zip(streams, given, strict=True))
                found[row] = self._seen[row].read(*shares)
            return {name: [found.get(row, {}).get(name) for row in range(len(self._rows))] if self._rows else [] for name in _FIELDS}

        return read

    def _on_preactivation(self, row: int, module: nn.Module, args: Any, output: Any) -> None:
        tensor = _first(output)
        if tensor is None:
            return
        self._forget_if_stale()
        self._watch_gradient(row, tensor)
        self._waiting[id(tensor)] = weakref.ref(tensor), row

    def _on_time_step(self, places: dict[int, int], cell: nn.Module, args: Any, output: Any) -> None:
        self._forget_if_stale()
        tensor = _first(output)
        row = places.get(self._calls[cell])
        self._calls[cell] += 1
        if tensor is not None and row is not None:
            self._watch_gradient(row, tensor)

    def _watch_gradient(self, row: int, tensor: Tensor) -> None:
        if tensor.requires_grad:
            self._handles.append(tensor.register_hook(self._timed(partial(self._on_gradient, row))))  # type: ignore[no-untyped-call]

    def _on_gradient(self, row: int, gradient: Tensor) -> None:
        if torch.is_grad_enabled():
            return  # a create_graph pass
        self._seen[row].add_delta(gradient)

    def _on_activation_entered(self, saturating: Slope | None, rectifying: Slope | None, module: nn.Module, args: Any, kwargs: Any) -> None:
        z = next(tensors((args, kwargs)), None)
        known, row = self._waiting.pop(id(z), (None, None))
        if z is None or known is None or known() is not z or row is None or not _measurable(z):
            self._inside.append(None)
            return
        self._inside.append(row)
        # The slopes are taken before the call: in place, the input is gone after it.
        seen, z = self._seen[row], z.detach()
        if saturating is not None:
            seen.add_saturation(saturating(module, z))
        if rectifying is not None:
            seen.add_slope(rectifying(module, z), self._rows[row].units)

    def _on_activation_left(self, module: nn.Module, args: Any, output: Any) -> None:
        row = self._inside.pop() if self._inside else None
        if row is None or not isinstance(output, Tensor):
            return
        self._seen[row].add_activation(output.detach())


def _first(output: Any) -> Tensor | None:
    """The first tensor of an output that a gradient can have; an output of one's own class has none that is known."""
    return next((tensor for tensor in tensors(output) if tensor.is_floating_point() or tensor.is_complex()), None)


def _measurable(z: Tensor) -> bool:
    # Passes without gradients (an evaluation, a checkpoint's first run) are not the step's.
    return torch.is_grad_enabled() and z.is_floating_point() and z.numel() > 0
