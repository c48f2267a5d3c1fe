"""Whether the gradients that were measured before they were clipped are still the step's: a loop may throw them away and make others."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from torch import Tensor, nn

_CLIPPED_BY = 2
"""Clipping by norm raises a tensor's version by 1, by value by 2. A new gradient in the same tensor raises it further."""


class Clipping:
    """What one optimizer's gradients were when they were clipped last."""

    def __init__(self) -> None:
        self._one: tuple[nn.Parameter, weakref.ref[Tensor], int] | None = None
        """One of those that were measured, as it was then."""

    @property
    def happened(self) -> bool:
        return self._one is not None

    def forget(self) -> None:
        self._one = None

    def begins(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        """All have been measured, and are about to be clipped; this is one of them."""
        self._one = parameter, weakref.ref(gradient), gradient._version

    def goes_on(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        """More of them are, or the same ones again."""
        if self._one is not None and self._one[0] is parameter:
            self.begins(parameter, gradient)

    def only(self) -> bool:
        """Whether they were measured, and nothing has changed them since but clipping."""
        if self._one is None:
            return False
        parameter, gradient, version = self._one
        return parameter.grad is not None and parameter.grad is gradient() and parameter.grad._version - version <= _CLIPPED_BY


def one_of(gradients: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> tuple[nn.Parameter, Tensor] | None:
    """One of these parameters, and its gradient, that are among these: whose the first gradient is, or else the first that has one."""
    first = next(iter(gradients), None)
    if first is None:
        return None
    for parameter in parameters:
        if parameter.grad is first:
            return parameter, first
    own = next(((parameter, own) for parameter in parameters if (own := parameter.grad) is not None), None)
    return own if own is not None and any(gradient is own[1] for gradient in gradients) else None
