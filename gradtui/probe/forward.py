"""The hooks of one frame's step: delta on the way back, activations on the way forward.

A delta is the r.m.s. over all entries of all calls and all
backward passes of the step: with gradient accumulation that is the delta of the whole batch, and a second backward pass through
the same forward counts as further entries. A pass with `create_graph=True` (a gradient penalty's) is not the loss's and is left out.
"""

from __future__ import annotations

import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradtui.probe import kinds
from gradtui.probe.hook import Hook, elsewhere
from gradtui.probe.kinds import Slope
from gradtui.probe.rows import Row
from gradtui.probe.seen import ACTIVATION, DELTA, Part, Seen
from gradtui.probe.table import Reader, Sheet
from gradtui.probe.trace import tensors


class ForwardHooks:
    """Installed on construction, gone after `remove`."""

    def __init__(self, models: Iterable[nn.Module], activations: Iterable[nn.Module], rows: Sequence[Row]) -> None:
        self._seen = Seen(len(rows))
        self._rows = rows
        self._handles: list[RemovableHandle] = []
        self._waiting: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._stale = False
        self.seconds = 0.0
        """Spent in the hooks."""
        self._error: Exception | None = None
        """What went wrong in a hook; from then on they do nothing."""
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
                self._handles.append(model.register_forward_pre_hook(Hook(lambda *_: self._calls.clear())))
        for module in activations:
            slopes = [("saturated", kinds.saturating_slope(module)), ("dead", kinds.rectifying_slope(module))]
            of_input, of_output = ([(kind, s) for kind, s in slopes if s and s.from_output is late] for late in (False, True))
            if of_input:
                entered = partial(self._on_activation_entered, of_input)
                self._handles.append(module.register_forward_pre_hook(self._timed(entered), with_kwargs=True))
            left = partial(self._on_activation_left, of_output)
            self._handles.append(module.register_forward_hook(self._timed(left), with_kwargs=True))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def finish(self) -> None:
        """The step's passes are over: whatever comes now is not measured. Raises here what a hook could not raise in a pass."""
        self.remove()
        if self._error is not None:
            raise self._error
        self._seen.reduce()

    def start_over_at_next_forward(self) -> None:
        """What was seen so far is another step's, unless this step's forward pass was a part of it: forget it when a new one comes."""
        self._stale = True

    def _timed(self, hook: Callable[..., None]) -> Callable[..., None]:
        def timed(*args: Any) -> None:
            if self._error is not None or elsewhere():
                return
            started = time.perf_counter()
            try:
                hook(*args)
            except Exception as error:
                self._error = error
            self.seconds += time.perf_counter() - started

        return Hook(timed)

    def _forget_if_stale(self) -> None:
        if self._stale:
            self._stale = False
            self._seen.clear()
            self._waiting.clear()

    def put(self, sheet: Sheet) -> Reader:
        """The fields that one forward and backward pass gives; a row that was not seen has None in all."""
        return self._seen.put(sheet)

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
        self._seen.add(row, gradient, DELTA)

    def _on_activation_entered(self, slopes: list[tuple[str, Slope]], module: nn.Module, args: Any, kwargs: Any) -> None:
        # Before the call: in place, the input is gone after it.
        z = _given(args, kwargs)
        row = self._row_of(z)
        if z is not None and row is not None:
            self._seen.add(row, z, self._parts(row, slopes))

    def _on_activation_left(self, slopes: list[tuple[str, Slope]], module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        z = _given(args, kwargs)
        row = self._row_of(z)
        self._waiting.pop(id(z), None)
        if row is not None and isinstance(output, Tensor):
            self._seen.add(row, output, (ACTIVATION, *self._parts(row, slopes)))

    def _row_of(self, z: Tensor | None) -> int | None:
        """The row whose pre-activation `z` is; None: it is none, or not to be measured."""
        known, row = self._waiting.get(id(z), (None, None))
        return row if z is not None and known is not None and known() is z and _measurable(z) else None

    def _parts(self, row: int, slopes: list[tuple[str, Slope]]) -> tuple[Part, ...]:
        return tuple((kind, slope, self._rows[row].units) for kind, slope in slopes)


def _given(args: Any, kwargs: Any) -> Tensor | None:
    return args[0] if args and isinstance(args[0], Tensor) else next(tensors((args, kwargs)), None)


def _first(output: Any) -> Tensor | None:
    """The first tensor of an output that a gradient can have; an output of one's own class has none that is known."""
    return next((tensor for tensor in tensors(output) if _has_entries(tensor)), None)


def _has_entries(tensor: Tensor) -> bool:
    """Real or complex ones, and as many of them for each of the batch; a nested tensor can hardly be computed with."""
    return (tensor.is_floating_point() or tensor.is_complex()) and not tensor.is_nested


def _measurable(z: Tensor) -> bool:
    # Passes without gradients (an evaluation, a checkpoint's first run) are not the step's.
    return torch.is_grad_enabled() and z.is_floating_point() and z.numel() > 0
