"""gradtui: the gradient debugger that lives in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradtui.watching import watch

__all__ = ["__version__", "watch"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imported on first use: `watch` needs torch, and most of gradtui does not."""
    if name == "watch":
        from gradtui.watching import watch

        return watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
