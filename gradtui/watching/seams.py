"""What optimizer hooks cannot see: gradients before they are clipped, and steps that a GradScaler leaves out. And who must not see ours.

Clipping changes gradients in place before the optimizer's hooks run, and a scaler that found an infinite gradient never calls the
optimizer. So while anything is watched, functions of torch are passed through a wrapper that tells the watchers and calls the
original with the same arguments: the one by which `clip_grad_norm_` and `clip_grad_value_` group the gradients before they change
them (so it does not matter how a loop imported those), and `GradScaler.step`. The norms that `clip_grad_norm_` takes itself are
overheard, so that they need not be taken twice: it makes one vector of them, whose norm is the total. What it takes that with is
replaced only meanwhile, since much else calls it, and compilers know it by what it is. And there is what `torch.jit.script` makes modules
with, which would fail on the hooks that a watched model has now and then: they are set aside for as long. All are put back when the
last watcher leaves. With a torch that has no such function, nothing is wrapped: then only what the optimizer gets is known.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import wraps
from threading import get_ident
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.jit import _recursive
from torch.nn.utils import clip_grad

from gradtui.probe.hook import set_aside
from gradtui.probe.overheard import Known

GROUPING = "_group_tensors_by_device_and_dtype"
TOTAL = "_get_total_norm"
SCRIPTING = "create_script_module"


class Listener(Protocol):
    """Told of what happens to gradients; must not raise."""

    listens: bool
    """Whether it wants to hear of clipping now."""

    def clipping(self, gradients: Sequence[Tensor], known: Known | None) -> None:
        """These are about to be clipped, or their norm has been taken; `known`: by that, each one's own."""

    def scaler_stepping(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` begins."""

    def scaler_stepped(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """`scaler.step(optimizer)` has ended, with or without a step of the optimizer."""


_listeners: list[weakref.ref[Listener]] = []
"""Weak: a network that nobody trains any more is not kept by who watched it."""


class _Heard:
    """What a thread has told since it began to take a total norm."""

    __slots__ = ("gradients", "norms", "shape")

    def __init__(self) -> None:
        self.gradients: Sequence[Tensor] | None = None
        self.shape: tuple[int] | None = None
        """Of the vector of their norms; None where it is not in their order: of several dtypes or devices."""
        self.norms: Tensor | None = None
        """The gradients', one number each."""


_heard: dict[int, _Heard] = {}
"""By thread. (A lock, or what belongs to a thread, would cost ten times as much in a loop whose caches are full of other things. As it is,
a thread that begins while the last one ends may go unheard, and no more than that.)"""
_originals: dict[str, Callable[..., Any]] = {}
_norm: Callable[..., Tensor] = torch.linalg.vector_norm


def listen(listener: Listener) -> None:
    if not _listeners:
        _wrap()
    _listeners.append(weakref.ref(listener))


def leave(listener: Listener) -> None:
    _listeners[:] = [known for known in _listeners if known() is not None and known() is not listener]
    if not _listeners and _originals:
        _unwrap()


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
        if torch.compiler.is_dynamo_compiling():
            return grouping(tensors, *args, **kwargs)
        heard = _heard.get(get_ident()) if _heard else None
        if heard is None:
            _tell_of_clipping(tensors[0], None)
            return grouping(tensors, *args, **kwargs)
        groups = grouping(tensors, *args, **kwargs)
        heard.gradients, heard.shape = tensors[0], (len(tensors[0]),) if len(groups) == 1 else None
        return groups

    return group


def _told_with_norms(total: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(total)
    def take_total(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling() or not _anyone_listens():
            return total(*args, **kwargs)
        heard = _heard[get_ident()] = _Heard()
        _listen_in()
        try:
            return total(*args, **kwargs)
        finally:
            del _heard[get_ident()]
            if not _heard:
                torch.linalg.vector_norm = _norm
            if heard.gradients is not None:
                _tell_of_clipping(heard.gradients, None if heard.norms is None else Known(heard.gradients, heard.norms))

    return take_total


def _listen_in() -> None:
    global _norm
    current = torch.linalg.vector_norm
    if current is not _overhearing:
        _norm, torch.linalg.vector_norm = current, _overhearing


def _overhearing(*args: Any, **kwargs: Any) -> Tensor:
    heard = _heard.get(get_ident())
    if heard is not None and args[1:] == (2,) and not kwargs and args[0].shape == heard.shape:
        heard.norms = args[0]
    return _norm(*args, **kwargs)


def _anyone_listens() -> bool:
    """Whether anyone wants to hear of clipping now."""
    for reference in _listeners:  # by hand: a comprehension would be one call more
        listener = reference()
        if listener is not None and listener.listens:
            return True
    return False


def _tell_of_clipping(gradients: Sequence[Tensor], known: Known | None) -> None:
    for reference in tuple(_listeners):
        if (listener := reference()) is not None and listener.listens:
            listener.clipping(gradients, known)


def _told_of_steps(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def stepping(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        told = [listener for reference in _listeners if (listener := reference()) is not None]
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
    (_recursive, SCRIPTING, _without_hooks),
]
"""Whose, its name, and what it is passed through."""
