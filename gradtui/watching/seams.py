"""What optimizer hooks cannot see: gradients before they are clipped, and steps that a GradScaler leaves out. And who must not see ours.

Clipping changes gradients in place before the optimizer's hooks run, and a scaler that found an infinite gradient never calls the
optimizer. So while anything is watched, two functions of torch are passed through a wrapper that tells the watchers and calls the
original with the same arguments: the one by which `clip_grad_norm_` and `clip_grad_value_` group the gradients before they change
them (so it does not matter how a loop imported those), and `GradScaler.step`. A third is what `torch.jit.script` makes modules with,
which would fail on the hooks that a watched model has now and then: they are set aside for as long. All are put back when the last
watcher leaves. With a torch that has no such function, nothing is wrapped: then only what the optimizer gets is known.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.jit import _recursive
from torch.nn.utils import clip_grad

from gradtui.probe.hook import set_aside

GROUPING = "_group_tensors_by_device_and_dtype"
SCRIPTING = "create_script_module"


class Listener(Protocol):
    """Told of what happens to gradients; must not raise."""

    def clipping(self, gradients: Sequence[Tensor]) -> None:
        """These are about to be clipped, or their norm to be taken."""

    def scaler_stepping(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` begins."""

    def scaler_stepped(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` has ended, with or without a step of the optimizer."""


_listeners: list[weakref.ref[Listener]] = []
"""Weak: a network that nobody trains any more is not kept by who watched it."""
_originals: dict[str, Callable[..., Any]] = {}


def listen(listener: Listener) -> None:
    if not _listeners:
        _wrap()
    _listeners.append(weakref.ref(listener))


def leave(listener: Listener) -> None:
    _listeners[:] = [known for known in _listeners if known() is not None and known() is not listener]
    if not _listeners and _originals:
        _unwrap()


def _listening() -> list[Listener]:
    return [listener for known in _listeners if (listener := known()) is not None]


def _wrap() -> None:
    _originals["step"] = torch.amp.GradScaler.step
    torch.amp.GradScaler.step = _told_of_steps(torch.amp.GradScaler.step)  # type: ignore[method-assign]
    for module, name, wrapper in _FUNCTIONS:
        if original := getattr(module, name, None):
            _originals[name] = original
            setattr(module, name, wrapper(original))


def _unwrap() -> None:
    torch.amp.GradScaler.step = _originals.pop("step")  # type: ignore[method-assign]
    for module, name, _ in _FUNCTIONS:
        if original := _originals.pop(name, None):
            setattr(module, name, original)


def _told_of_clipping(grouping: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(grouping)
    def group(tensors: Sequence[Sequence[Tensor]], *args: Any, **kwargs: Any) -> Any:
        if not torch.compiler.is_compiling():
            for listener in _listening():
                listener.clipping(tensors[0])
        return grouping(tensors, *args, **kwargs)

    return group


def _told_of_steps(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def stepping(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        told = _listening()
        for listener in told:
            listener.scaler_stepping(scaler, optimizer)
        try:
            return step(scaler, optimizer, *args, **kwargs)
        finally:
            for listener in told:
                listener.scaler_stepped(scaler, optimizer)

    return stepping


def _without_hooks(create: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(create)
    def creating(nn_module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with set_aside(nn_module):
            return create(nn_module, *args, **kwargs)

    return creating


_FUNCTIONS: list[tuple[ModuleType, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = [
    (clip_grad, GROUPING, _told_of_clipping),
    (_recursive, SCRIPTING, _without_hooks),
]
"""Whose, its name, and what it is passed through."""
