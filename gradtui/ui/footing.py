"""What the footer has where there is not room for every key: those that a person misses least are left out, whole.

They still act, and the help and the palette still name them. Textual's own footer is cut at the edge, and last in it are
the keys that lead out and to all the others.
"""

from __future__ import annotations

from dataclasses import replace

from textual.app import App
from textual.binding import ActiveBinding

SPARED = (
    "run.step",
    "run.log",
    "replay.previous",
    "replay.next",
    "run.restart",
    "run.measure",
    "toggles.change",
    "run.pause",
    "run.explain",
)
"""Bindings by their ids, the first to go first."""

AROUND = 3
"""Cells around a key and its word."""

PALETTE = 12
"""Cells of the palette's key, where the style sheet shows it."""


def fitted(active: dict[str, ActiveBinding], app: App[object], width: int) -> dict[str, ActiveBinding]:
    """The bindings, and those that the footer has no room for not to be shown there."""
    left = dict(active)
    for id in SPARED:
        if _needed(left, app) <= width:
            break
        left |= {key: found._replace(binding=replace(found.binding, show=False)) for key, found in left.items() if found.binding.id == id}
    return left


def _needed(active: dict[str, ActiveBinding], app: App[object]) -> int:
    """Cells that the footer takes: an action has one key in it, its first."""
    first = {found.binding.action: found.binding for found in reversed(active.values()) if found.binding.show}
    return sum(len(app.get_key_display(binding)) + len(binding.description) + AROUND for binding in first.values())
