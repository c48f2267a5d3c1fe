"""Whether the gradients that were measured before they were clipped are still the step's: a loop may throw them away and make others."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from torch import Tensor, nn

_BY_NORM, _BY_VALUE = 1, 2
"""How far clipping raises a tensor's version. A new gradient in the same tensor raises it further."""


class Clipping:
    """What one optimizer's gradients were when they were clipped last."""

    def __init__(self) -> None:
        self._one: tuple[nn.Parameter, weakref.ref[Tensor], int] | None = None
        """One of those that were measured, as it was then."""
        self._raises = _BY_VALUE

    @property
    def happened(self) -> bool:
        return self._one is not None

    def forget(self) -> None:
        self._one = None

    def knows(self, gradients: Sequence[Tensor]) -> bool:
        """Whether it is about these, and nothing has happened since: they are scaled now by the norm that was taken then."""
        if self._one is None or not gradients:
            return False
        parameter, gradient, version = self._one
        return gradients[0] is gradient() is parameter.grad and gradients[0]._version == version

    def begins(self, parameter: nn.Parameter, gradient: Tensor, by_norm: bool) -> None:
        """All have been measured, and are about to be clipped; this is one of them. `by_norm`: so much is sure."""
        self._one = parameter, weakref.ref(gradient), gradient._version
        self._raises = _BY_NORM if by_norm else _BY_VALUE

    def goes_on(self, parameter: nn.Parameter, gradient: Tensor, by_norm: bool) -> None:
        """More of them are, or the same ones again."""
        if self._one is not None and self._one[0] is parameter:
            self.begins(parameter, gradient, by_norm)

    def only(self) -> bool:
        """Whether they were measured, and nothing has changed them since but clipping."""
        if self._one is None:
            return False
        parameter, gradient, version = self._one
        return parameter.grad is not None and parameter.grad is gradient() and parameter.grad._version - version <= self._raises


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
