"""One network that is watched and left alone by turns.

Two copies of one network differ in speed by a few per cent for no reason but where their memory lies, which is more than watching may
cost. So both kinds of turn are of one network, and for a bare one all that watching has put in is taken out. (A frame that was about to
begin leaves its hooks on the modules: one bare turn in some hundreds has them.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.optim import Optimizer

from gradtui.watching import seams


@contextmanager
def bare(optimizer: Optimizer) -> Iterator[None]:
    """While this is open, nobody watches what `optimizer` trains."""
    hooks = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
    kept, listeners = [dict(found) for found in hooks], list(seams._listeners)
    wrapped = [(module, name, vars(module)[name]) for module, name, _ in seams._FUNCTIONS]
    for found in hooks:
        found.clear()
    seams._listeners.clear()
    seams._unwrap()
    yield
    seams._wrap()
    for module, name, function in wrapped:  # the same as before: Python makes shortcuts to functions that it has called often
        setattr(module, name, function)
    seams._listeners.extend(listeners)
    for found, before in zip(hooks, kept, strict=True):
        found.update(before)
