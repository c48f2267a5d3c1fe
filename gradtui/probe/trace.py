"""One forward pass as a list of calls, in which tensors are told apart by identity.

A tensor's identity is its object and its version: an in-place activation returns the very object it was given, one version on,
so what it returns is not taken for the layer's own output.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradtui.probe.hook import Hook, elsewhere

Key = tuple[int, int]

_MOST = 50_000
"""Calls that are kept: about 45 MB."""


@dataclass(eq=False)
class Call:
    """One call of one module. `entered` and `left` count the events of the whole pass, so they order calls and nest them."""

    module: nn.Module
    parent: Call | None
    entered: int
    inputs: list[Key]
    left: int = -1
    output: Key | None = None

    def ancestors(self) -> Iterator[Call]:
        call = self.parent
        while call is not None:
            yield call
            call = call.parent


@dataclass
class Trace:
    """The calls, in the order in which they were entered: of one pass, or of several, of which those that show nothing new are forgotten
    (there may be thousands: an evaluation before the training, many micro-batches)."""

    networks: frozenset[nn.Module] = frozenset()
    """A call of one of these is a whole pass; the calls of others, outside of it, are kept whatever they show."""
    passed: Callable[[], None] = lambda: None
    """Told of the end of every outermost call; must not raise."""
    calls: list[Call] = field(default_factory=list)
    _began: int = 0
    """How many calls there were before this pass."""
    _often: Counter[nn.Module] = field(default_factory=Counter)
    """How often one pass called each module, at most."""
    _open: list[Call] = field(default_factory=list)
    _known: dict[int, tuple[weakref.ref[Tensor], int]] = field(default_factory=dict)
    _events: int = 0
    error: Exception | None = None
    """What a hook could not raise in the middle of a forward pass; from then on nothing is traced."""

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._try(self._enter, module, args, kwargs)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._try(self._leave, module, output)

    def _try(self, act: Callable[..., None], *args: Any) -> None:
        if self.error is not None or len(self.calls) >= _MOST or elsewhere():
            return
        try:
            act(*args)
        except Exception as error:
            self.error = error

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if not self._open:
            self._began = len(self.calls)
        inputs = [self._key(tensor) for tensor in tensors((args, kwargs))]
        call = Call(module, self._open[-1] if self._open else None, self._next_event(), inputs)
        self.calls.append(call)
        self._open.append(call)

    def _leave(self, module: nn.Module, output: Any) -> None:
        # A model may catch an exception that one of its modules raised: such a call is never left.
        while self._open and self._open[-1].module is not module:
            self._open.pop()
        if not self._open:
            return
        call = self._open.pop()
        call.left = self._next_event()
        first = next(tensors(output), None)
        call.output = None if first is None else self._key(first)
        if not self._open:
            if module in self.networks:
                self._forget_if_known()
            self.passed()

    def _forget_if_known(self) -> None:
        often = Counter(call.module for call in self.calls[self._began :])
        if often <= self._often:
            del self.calls[self._began :]
        self._often |= often

    def _next_event(self) -> int:
        self._events += 1
        return self._events

    def _key(self, tensor: Tensor) -> Key:
        # No tensor is held: a pass through a model that fills its device's memory must not need more. But the id of a freed
        # tensor may be given to another, so each object seen gets a number of its own.
        known = self._known.get(id(tensor))
        if known is None or known[0]() is not tensor:
            known = self._known[id(tensor)] = weakref.ref(tensor), self._next_event()
        return known[1], 0 if tensor.is_inference() else tensor._version


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings, in order; anything else holds none."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors(item)


@contextmanager
def traced(modules: Iterable[nn.Module], networks: Iterable[nn.Module], passed: Callable[[], None]) -> Iterator[Trace]:
    """Record the calls of `modules` while the context is open; no hook outlives it. `networks` and `passed`: as in `Trace`."""
    trace = Trace(frozenset(networks), passed)
    handles: list[RemovableHandle] = []
    try:
        for module in modules:
            handles.append(module.register_forward_pre_hook(Hook(trace.enter), with_kwargs=True))
            handles.append(module.register_forward_hook(Hook(trace.leave), always_call=True))
        yield trace
    finally:
        for handle in handles:
            handle.remove()
