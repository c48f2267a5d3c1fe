"""Layers' names in a column too narrow for them: what tells one layer from the next stays, what they share goes first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from gradtui.ui.scale import beginning, elide

LEAST = 3
"""Cells of a path's last part, the ellipsis included, under which cutting it would leave too little to read."""


def labels(names: Sequence[str], width: int) -> list[str]:
    """Every name in at most `width` cells; where one does not fit, an ending that all paths share is left out of all."""
    if all(cell_len(name) <= width for name in names):
        return list(names)
    ending = _shared_ending(names)
    return [short_name(name.removesuffix(ending) or name, width) for name in names]


def _shared_ending(names: Sequence[str]) -> str:
    """`.linear`, if all names with a path, two at least, end in it; else empty."""
    paths = [name for name in names if "." in name]
    endings = {name.rpartition(".")[2] for name in paths}
    return f".{endings.pop()}" if len(endings) == 1 and len(paths) > 1 else ""


def short_name(name: str, width: int) -> str:
    """A module's path in at most `width` cells: `encoder.layers.12.attn.q` as `e.l.12.attn.q`.

    Parts are cut to their first letter from the left, and numbers are kept; then the last part is cut at its end.
    Only what is too long even so is elided in the middle.
    """
    *parts, last = name.split(".")
    for n, part in enumerate(parts):
        if cell_len(".".join([*parts, last])) <= width:
            break
        parts[n] = part if part.isdigit() else part[:1]
    room = width - cell_len(".".join([*parts, ""]))
    if parts and cell_len(last) > room >= LEAST:
        last = f"{beginning(last, room - 1)}…"
    return elide(".".join([*parts, last]), width)
