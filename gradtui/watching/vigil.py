"""Until the first step: whether anybody else trains the weights.

A loop may train with an optimizer that is not the one it gave to `watch`, or never call its `step`: then nothing is ever measured, and
whoever looks at the empty recording must be told why. All that is looked at are the weights' versions, which every change in place
raises, when a forward pass ends or gradients are clipped; the first step ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from gradtui.watching.ownership import parameters_of, spoken

_SURE = 3
"""Changes of the weights between two looks. A checkpoint that is loaded is one; what perturbs them before a step (SAM) makes two."""


class Vigil:
    """Kept over what `optimizers` are to train."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._names = spoken(optimizers)
        self._parameters = [parameter for optimizer in optimizers for parameter in parameters_of(optimizer)]
        self._first = self._versions = self._seen()
        self._changes = 0
        self._passes = 0
        """Those that could be the training's."""
        self._told = False

    def look(self) -> str | None:
        """After a forward pass. What there is to tell, once it is sure."""
        self._passes += torch.is_grad_enabled()
        before, self._versions = self._versions, self._seen()
        self._changes += self._versions != before
        if self._changes < _SURE or self._told:
            return None
        self._told = True
        return self._about("the weights change")

    def end(self) -> str | None:
        """The training has ended without a step. What there is to tell, unless that was done."""
        if self._told:
            return None
        if self._seen() != self._first:  # of a compiled network no pass is seen
            return self._about("the weights have changed")
        return self._about("there were forward passes") if self._passes else None

    def _seen(self) -> int:
        return sum(parameter._version for parameter in self._parameters if not (is_lazy(parameter) or parameter.is_inference()))

    def _about(self, found: str) -> str:
        return (
            f"gradtui: {found}, but {self._names} never made a step, which is when gradients are measured: there is no frame. "
            "Give gradtui.watch the optimizer whose step() the training calls, outside of what is compiled; where one wraps another, that "
            "is mostly the inner one"
        )
