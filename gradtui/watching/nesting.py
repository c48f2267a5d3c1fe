"""Steps inside steps: an optimizer whose class overrides `step` and calls its base's has its hooks run for both.

torch wraps the `step` of every class that an optimizer was made of, with hooks and all, so a base's has them as soon as somebody has
made one of the base. Only the outer call is a step.
"""

from __future__ import annotations

import sys

from torch.optim import Optimizer


class Nesting:
    """Of one optimizer's calls. The hooks of an outermost one set `inside`, and only ask where that says that they may not be such."""

    def __init__(self) -> None:
        self.inside = False
        """Whether a call has begun, and none has ended since."""
        self.deeper = 0
        """How many calls have begun inside it; the hook after one of them counts it out."""

    def is_inner(self, optimizer: Optimizer) -> bool:
        """Asked by the hook before a call, `inside` one: whether that is still going on."""
        if _is_nested(optimizer):
            self.deeper += 1
            return True
        self.deeper = 0  # a call that has raised never ends
        return False


def _is_nested(optimizer: Optimizer) -> bool:
    """Whether torch's wrapper, which has called a hook of ours, is on the stack a second time for the same optimizer."""
    wrapper = sys._getframe(3)  # past `is_inner` and the hook that asks it
    outer = wrapper.f_back
    while outer is not None:
        if outer.f_code is wrapper.f_code and outer.f_locals.get("self") is optimizer:
            return True
        outer = outer.f_back
    return False
