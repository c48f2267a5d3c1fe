"""Steps inside steps: an optimizer whose class overrides `step` and calls its base's has its hooks run for both.

torch wraps the `step` of every class that an optimizer was made of, with hooks and all, so a base's has them as soon as somebody has
made one of the base. Only the outer call is a step.
"""

from __future__ import annotations

import sys

from torch.optim import Optimizer


class Nesting:
    """Of one optimizer's calls."""

    def __init__(self) -> None:
        self._inside = False
        self._deeper = 0

    def enter(self, optimizer: Optimizer) -> bool:
        """A call's hooks before it run. Whether it is an outermost one."""
        if self._inside and _is_nested(optimizer):
            self._deeper += 1
            return False
        self._inside, self._deeper = True, 0  # a call that has raised is never left
        return True

    def leave(self) -> bool:
        """A call's hooks after it run. Whether it was an outermost one."""
        if self._deeper:
            self._deeper -= 1
            return False
        self._inside = False
        return True


def _is_nested(optimizer: Optimizer) -> bool:
    """Whether torch's wrapper, which has called a hook of ours, is on the stack a second time for the same optimizer."""
    wrapper = sys._getframe(3)  # past `enter` and the hook that asks
    outer = wrapper.f_back
    while outer is not None:
        if outer.f_code is wrapper.f_code and outer.f_locals.get("self") is optimizer:
            return True
        outer = outer.f_back
    return False
