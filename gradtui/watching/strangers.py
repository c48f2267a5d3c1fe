"""Once there have been steps: whether somebody else's optimizer makes them now.

A loop may make itself a new optimizer for its second phase. The one that is watched makes no step any more, so no frame comes, and
whoever looks must be told why.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from gradtui.watching.ownership import parameters_of, spoken

_SURE = 20
"""Steps without one of ours between them: an optimizer that wraps ours may make several for each."""


class Strangers:
    """Other optimizers of what `optimizers` train; `tell` is called once, with a sentence about the first that is sure."""

    def __init__(self, optimizers: Sequence[Optimizer], tell: Callable[[str], None]) -> None:
        self._own = {id(optimizer) for optimizer in optimizers}
        self._names = spoken(optimizers)
        self._parameters = {id(parameter) for optimizer in optimizers for parameter in parameters_of(optimizer)}
        self._tell = tell
        self._steps = 0
        """Of strangers, since one of ours."""
        self._told = False
        known = weakref.ref(self)  # torch keeps the hook, and must not keep a network that nobody trains any more

        def after(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if (strangers := known()) is not None and not torch.compiler.is_compiling():
                strangers._after(optimizer)

        # Not by a method: of what is collected in a cycle, torch's handles no longer know what they are handles of.
        self.leave = weakref.finalize(self, register_optimizer_step_post_hook(after).remove)
        """Take the hook away."""

    def _after(self, optimizer: Optimizer) -> None:
        if id(optimizer) in self._own:
            self._steps = 0
        elif not self._told and any(id(parameter) in self._parameters for parameter in parameters_of(optimizer)):
            self._steps += 1
            if self._steps == _SURE:
                self._told = True
                self._tell(self._about(optimizer))

    def _about(self, optimizer: Optimizer) -> str:
        return (
            f"gradtui: another {type(optimizer).__name__} makes the steps now, and the {self._names} that gradtui.watch was given none: "
            "there is no frame of them. Close this run, and call gradtui.watch with the new optimizer"
        )
