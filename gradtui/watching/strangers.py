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
        self._names = spoken(optimizers)
        self._parameters = {id(parameter) for optimizer in optimizers for parameter in parameters_of(optimizer)}
        self._tell = tell
        self._told = False
        own = {id(optimizer) for optimizer in optimizers}
        known = weakref.ref(self)  # torch keeps the hook, and must not keep a network that nobody trains any more
        steps = 0  # of strangers, since one of ours

        def after(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            nonlocal steps
            if torch.compiler.is_dynamo_compiling():
                return
            if id(optimizer) in own:
                steps = 0
            elif (strangers := known()) is not None and strangers._concerns(optimizer):
                steps += 1
                if steps == _SURE:
                    strangers._hear(optimizer)

        # Not by a method: of what is collected in a cycle, torch's handles no longer know what they are handles of.
        self.leave = weakref.finalize(self, register_optimizer_step_post_hook(after).remove)
        """Take the hook away."""

    def _concerns(self, optimizer: Optimizer) -> bool:
        return not self._told and any(id(parameter) in self._parameters for parameter in parameters_of(optimizer))

    def _hear(self, optimizer: Optimizer) -> None:
        self._told = True
        self._tell(self._about(optimizer))

    def _about(self, optimizer: Optimizer) -> str:
        return (
            f"gradtui: another {type(optimizer).__name__} makes the steps now, and the {self._names} that gradtui.watch was given none: "
            "there is no frame of them. Close this run, and call gradtui.watch with the new optimizer"
        )
