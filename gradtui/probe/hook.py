"""A hook that stays behind when its module is copied or pickled.

A loop may copy a model (for a moving average) or save it whole at any moment, hooks and all. What is copied in their place does nothing
and is Python's own, so that what was saved can be read where gradtui is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any


class Hook:
    """Calls `act` with whatever it is given."""

    def __init__(self, act: Callable[..., None]) -> None:
        self._act = act

    def __call__(self, *args: Any) -> None:
        self._act(*args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, str]]:
        return getattr, (nullcontext(), "__exit__")
