"""What optimizer hooks cannot see: gradients before they are clipped, and steps that a GradScaler leaves out. And who must not see ours.

Clipping changes gradients in place before the optimizer's hooks run, and a scaler that found an infinite gradient never calls the
optimizer. So while anything is watched, functions of torch are passed through a wrapper that tells the watchers and calls the
original with the same arguments: the one by which `clip_grad_norm_` and `clip_grad_value_` group the gradients before they change
them (so it does not matter how a loop imported those), and `GradScaler.step`. The norms that `clip_grad_norm_` takes itself are
overheard, so that they need not be taken twice. And there is what `torch.jit.script` makes modules with, which would fail on the hooks
that a watched model has now and then: they are set aside for as long. All are put back when the last watcher leaves. With a torch that
has no such function, nothing is wrapped: then only what the optimizer gets is known.
"""

from __future__ import annotations

import threading
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
from gradtui.probe.quick import Known

GROUPING = "_group_tensors_by_device_and_dtype"
TOTAL = "_get_total_norm"
NORMS = "_foreach_norm"
SCRIPTING = "create_script_module"


class Listener(Protocol):
    """Told of what happens to gradients; must not raise."""

    def clipping(self, gradients: Sequence[Tensor], known: Known | None) -> None:
        """These are about to be clipped, or their norm has been taken; `known`: of which of them it is known."""

    def scaler_stepping(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` begins."""

    def scaler_stepped(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` has ended, with or without a step of the optimizer."""


_listeners: list[weakref.ref[Listener]] = []
"""Weak: a network that nobody trains any more is not kept by who watched it."""


class _Overheard(threading.local):
    """What this thread has told since it began to take a total norm."""

    gradients: Sequence[Tensor] | None = None
    known: Known | None = None
    """None: it is not taking one."""


_overheard = _Overheard()
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
            if _overheard.known is None:
                _tell_of_clipping(tensors[0], None)
            else:
                _overheard.gradients = tensors[0]
        return grouping(tensors, *args, **kwargs)

    return group


def _told_with_norms(total: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(total)
    def take_total(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return total(*args, **kwargs)
        _overheard.gradients, _overheard.known = None, Known([], [])
        try:
            return total(*args, **kwargs)
        finally:
            gradients, known = _overheard.gradients, _overheard.known
            _overheard.gradients = _overheard.known = None
            if gradients is not None:
                _tell_of_clipping(gradients, known)

    return take_total


def _overheard_norms(take: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(take)
    def take_norms(*args: Any, **kwargs: Any) -> Any:
        norms = take(*args, **kwargs)
        if not torch.compiler.is_compiling() and _overheard.known is not None and args[1:] == (2,) and not kwargs:
            _overheard.known.tensors.extend(args[0])
            _overheard.known.norms.extend(norms)
        return norms

    return take_norms


def _tell_of_clipping(gradients: Sequence[Tensor], known: Known | None) -> None:
    for listener in _listening():
        listener.clipping(gradients, known)


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
    (clip_grad, TOTAL, _told_with_norms),
    (torch, NORMS, _overheard_norms),
    (_recursive, SCRIPTING, _without_hooks),
]
"""Whose, its name, and what it is passed through."""
