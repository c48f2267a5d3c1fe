"""A hook that stays behind when its module is copied, pickled or scripted.

A loop may copy a model (for a moving average) or save it whole at any moment, hooks and all. What is copied in their place does nothing
and is Python's own, so that what was saved can be read where gradtui is not installed. A compiler that translates hooks cannot
translate these: `set_aside` hides them from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn


def elsewhere() -> bool:
    """Whether a pass is no training's: it is being compiled or traced, or is inside a transform (`torch.func`), whose tensors mean
    nothing outside of it."""
    if torch.compiler.is_compiling():  # first: a compiler follows what comes after
        return True
    return torch._C._functorch.peek_interpreter_stack() is not None or torch._C._get_tracing_state() is not None


class Hook:
    """Calls `act` with whatever it is given. `act` must not raise: it runs in the middle of somebody's forward or backward pass."""

    def __init__(self, act: Callable[..., None]) -> None:
        self._act = act

    def __call__(self, *args: Any) -> None:
        self._act(*args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, str]]:
        return getattr, (nullcontext(), "__exit__")


@contextmanager
def set_aside(model: nn.Module) -> Iterator[None]:
    """While the context is open the model has no hooks but those of others; after it all are there, in their order."""
    held: list[tuple[dict[int, Any], dict[int, Any]]] = []
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            if any(isinstance(hook, Hook) for hook in hooks.values()):
                held.append((hooks, dict(hooks)))
                for place in [place for place, hook in hooks.items() if isinstance(hook, Hook)]:
                    del hooks[place]
    try:
        yield
    finally:
        for hooks, all_of_them in held:
            hooks.clear()
            hooks.update(all_of_them)
