"""One row of the bars, drawn as plain text: a bar as a string of characters and one of style letters, equally long.

Two such strings are cheap to cut into slices and to compare, and they are all that is compared: what looks the same is
the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median

from gradtui.diagnose.words import inert
from gradtui.ui.lines import Row
from gradtui.ui.scale import Axis, bar, elide, padded, state

STYLE_OF = {"b": "bar", "h": "hot", "v": "void", "m": "muted", "w": "muted", "g": "ghost", "t": "theory", "s": "band", "f": "faded"}

WORDS = "w"
"""The letter of words in place of a bar: nothing is drawn over them."""

FLAGS = {"critical": ("X", "alarm"), "warning": ("!", "warn"), "information": ("i", "key")}
"""A letter per severity, and its style: the letter says it without colour."""

FROZEN = ("f", "muted")


def drawn(value: float | None, axis: Axis, width: int, *, hot: bool, note: str = "") -> tuple[str, str]:
    """The bar of one value, `width` characters, and their style letters. `note` says why there is none."""
    word = state(value)
    if value is None:
        return _said(f" {word} {note}", width)
    if word == "0":
        return _said(" 0, exactly zero", width)
    if word:
        return f"{word} ".rjust(width, "█" if word == "inf" else "░")[-width:], "v" * width
    return bar(value, axis, width), ("h" if hot else "b") * width


def _said(words: str, width: int) -> tuple[str, str]:
    return words.ljust(width)[:width], (WORDS * len(words)).ljust(width, "m")[:width]


def block(values: Sequence[float | None], axis: Axis, width: int, *, hot: bool) -> tuple[str, str]:
    """The bar of layers folded into one: as long as their median, shaded from the least to the greatest.

    What is no finite number takes the whole bar, as for one layer: no median can hide it.
    """
    broken = next((value for value in values if state(value) in ("nan", "inf", "-inf")), None)
    text, codes = drawn(middle(values) if broken is None else broken, axis, width, hot=hot)
    places = [value for value in values if value is not None and not state(value)]
    return shaded(text, codes, (min(places), max(places)), axis, "s") if places and broken is None else (text, codes)


def middle(values: Sequence[float | None]) -> float | None:
    """The median of those that were measured; None: nothing was."""
    measured = [value for value in values if value is not None and math.isfinite(value)]
    return median(measured) if measured else None


GHOST, THEORY, BOTH = "│┊║"
"""Marks in a bar: before the last toggle, by theory, and both in one cell."""


def marked(text: str, codes: str, value: float | None, axis: Axis, character: str, code: str) -> tuple[str, str]:
    """The bar with a mark where `value` lies; unchanged where that is no place on the axis, or a letter of `nan` or a note."""
    if not text or state(value) or value is None:
        return text, codes
    at = axis.cell(value, len(text))
    if text[at].isalpha() or codes[at] == WORDS:
        return text, codes
    character = BOTH if text[at] == THEORY else character
    return text[:at] + character + text[at + 1 :], codes[:at] + code + codes[at + 1 :]


BAND = {"█": "▒", " ": "·"}
"""Cells within theory's band, on the bar and beyond it; a bar's tip stays as it is."""


def shaded(text: str, codes: str, edges: tuple[float, float] | None, axis: Axis, code: str) -> tuple[str, str]:
    """The bar with the cells between two values shaded; unchanged where they are no places on the axis."""
    if not text or edges is None or any(map(state, edges)):
        return text, codes
    low, high = (axis.cell(edge, len(text)) for edge in edges)
    band = [(cell, own, cell in BAND and own != WORDS) for cell, own in zip(text[low : high + 1], codes[low : high + 1], strict=True)]
    shades = "".join(BAND[cell] if free else cell for cell, _, free in band)
    styles = "".join(code if free else own for _, own, free in band)
    return text[:low] + shades + text[high + 1 :], codes[:low] + styles + codes[high + 1 :]


def spans(text: str, codes: str) -> Row:
    """Characters and style letters as spans."""
    row = []
    at = 0
    for code, group in groupby(codes):
        length = sum(1 for _ in group)
        row.append((text[at : at + length], STYLE_OF[code]))
        at += length
    return tuple(row)


def name_cell(label: str, width: int, severity: str, *, frozen: bool, cursor: bool) -> Row:
    """A layer's flag and its name, shortened to at most `width - 3` cells."""
    letter, style = FLAGS.get(severity) or (FROZEN if frozen else (" ", ""))
    return ((letter, style), (" ", ""), (padded(label, width - 3), "cursor" if cursor else ""), (" ", ""))


def group_cell(group: str, width: int) -> Row:
    """The header of a network among several."""
    return ((padded(elide(inert(group), width), width), "group"),)
