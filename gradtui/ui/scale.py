"""From a measurement to what is drawn: logarithmic axes, bars in eighths of a cell, short numbers.

Plain Python without Textual, so that every rule of the drawing can be tested by itself. Zero, NaN, infinity and "not
measured" have no place on a logarithmic axis: they are words here, never lengths. Widths of text are cells, not characters:
a layer may have a Chinese name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

EIGHTHS = " ▏▎▍▌▋▊▉█"

LABEL_GAP = 3
"""Empty cells between two labels of an axis, at least."""

DECADES = 330
"""No double lies further than this many decades from 1."""


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis from 10**low to 10**high."""

    low: int
    high: int

    def extended(self, values: Iterable[float | None]) -> Axis:
        """This axis, or one longer by whole decades where positive finite values leave it; never a shorter one."""
        logs = [math.log10(value) for value in values if value is not None and 0 < value < math.inf]
        if not logs:
            return self
        return Axis(max(-DECADES, min(self.low, math.floor(min(logs)))), min(DECADES, max(self.high, math.ceil(max(logs)))))

    def position(self, value: float) -> float:
        """Where a positive finite value lies, 0 to 1 from end to end."""
        return min(1.0, max(0.0, (math.log10(value) - self.low) / (self.high - self.low)))

    def cell(self, value: float, width: int) -> int:
        """The cell, of `width`, that a mark at a positive finite value is drawn in."""
        return min(width - 1, int(self.position(value) * width))

    def ruler(self, width: int) -> str:
        """`width` characters of labels, each beginning at its own decade: `│1e-9    │1e-6`; the last cell stays empty."""
        if width < 1:
            return ""
        longest = max(len(f"1e{self.low}"), len(f"1e{self.high}")) + 1
        decades = self.high - self.low
        step = next(s for s in (1, 2, 3, 5, 10, 20, 50, 100, 1000) if s >= decades or s * width / decades >= longest + LABEL_GAP)
        cells = [" "] * width
        for decade in range(self.low, self.high, step):
            label = f"│1e{decade}"
            at = round((decade - self.low) / decades * width)
            if at + len(label) < width:
                cells[at : at + len(label)] = label
        return "".join(cells)


def bar(value: float, axis: Axis, width: int) -> str:
    """`width` characters for a positive finite value: full blocks, an eighth block at the tip, spaces. Never empty."""
    eighths = max(1, round(axis.position(value) * width * 8))
    full, tip = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[tip] if tip else "")).ljust(width)[:width]


def state(value: float | None) -> str:
    """The word for a value that has no length on the axis; empty for one that has."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return "0" if value == 0 else ""


def number(value: float | None) -> str:
    """Two or three significant digits in at most 7 characters: `4.4e-7`, `0.02`, `13`; the word where there is no number."""
    if value is None or not math.isfinite(value) or value == 0:
        return state(value)
    if 0.01 <= abs(value) < 1:
        return f"{value:.2g}"
    if 1 <= abs(value) < 999.5:
        return f"{value:.3g}"
    digits = 1 if 1e-99 <= abs(value) < 1e99 else 0  # three digits of exponent leave no room for a second of the number
    return short_exponent(f"{value:.{digits}e}")


def short_exponent(text: str) -> str:
    """`4.4e-07` as `4.4e-7`, `1.0e+03` as `1.0e3`."""
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


def percent(value: float | None) -> str:
    """A fraction as a whole percentage; 99.6 % is not yet 100 %, nor 0.4 % nothing."""
    if value is None or not math.isfinite(value):
        return state(value)
    if 0.99 < value < 1:
        return ">99%"
    return "<1%" if 0 < value < 0.01 else f"{100 * value:.0f}%"


def elide(text: str, width: int) -> str:
    """`text` in at most `width` cells, the middle left out: the ends of a module's path say most."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return beginning(text, width)
    tail = (width - 1) * 2 // 3
    end = next(text[at:] for at in range(len(text) + 1) if cell_len(text[at:]) <= tail)
    return f"{beginning(text, width - 1 - tail)}…{end}"


def beginning(text: str, width: int) -> str:
    """As much of `text` as `width` cells hold."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width)).rstrip()


def padded(text: str, width: int) -> str:
    """`text` and spaces: `width` cells."""
    return set_cell_size(text, width)


def counted_steps(text: str) -> str:
    """`step 12000` as `step 12,000`, as everywhere on the screen: a warning's sentence is for scripts too, and has bare numbers."""
    return re.sub(r"\bstep (\d{4,})\b", lambda found: f"step {int(found[1]):,}", text)


def setting(value: object) -> str:
    """A toggle's value as the panel shows it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def wrapped(text: str, width: int, limit: int) -> list[str]:
    """`text` broken at spaces into at most `limit` lines of `width`; an ellipsis where it does not fit."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        word = elide(word, width)
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines += [line] if line else []
    if len(lines) > limit:
        lines[limit - 1 :] = [f"{beginning(' '.join(lines[limit - 1 :]), width - 1)}…"]
    return lines
