"""What one of several processes adds to a step: its gradients before they are averaged, which only a hook on the parameters sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradtui.probe import reduce


class LocalNorm:
    """Of the gradients of one backward pass; there is none of several, since the norm of their sum is not to be had from theirs."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._norms: dict[int, Tensor] = {}
        self._accumulated = self._stale = False

    def watch(self, parameters: Sequence[nn.Parameter]) -> None:
        """Until `leave`. A shard's gradient is never seen whole."""
        own = [parameter for parameter in parameters if parameter.requires_grad and not hasattr(parameter, "to_local")]
        hooks = ((parameter, partial(self._on_gradient, place)) for place, parameter in enumerate(own))
        self._handles = [parameter.register_hook(hook) for parameter, hook in hooks]  # type: ignore[no-untyped-call]

    def leave(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._forget()

    def start_over_at_next_gradient(self) -> None:
        """What was seen so far is another step's, unless this step's backward pass was a part of it: forget it when a new one comes."""
        self._stale = True

    def norm(self) -> Tensor | None:
        """Of all together, on the device."""
        if not self._norms or self._accumulated:
            return None
        return torch.stack(list(self._norms.values())).square().sum().sqrt()

    def _on_gradient(self, place: int, gradient: Tensor) -> None:
        if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
            if self._stale:
                self._forget()
            self._accumulated |= place in self._norms
            self._norms[place] = reduce.norm(gradient)

    def _forget(self) -> None:
        self._norms, self._accumulated, self._stale = {}, False, False
