"""The screen in ASCII, for terminals and fonts without block characters.

One filter over what every widget has drawn, Textual's own included, so that no glyph can be forgotten: each character
becomes one of the same width.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

BLOCKS = {"█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "=", "▍": "=", "▎": "-", "▏": "-", "░": ":", "▒": "%", "▓": "%"}
BLOCKS |= dict.fromkeys("▃▄▅▆▇", "=")  # the ends of Textual's scroll bars
LINES = {"┊": ":"} | dict.fromkeys("│┃║┆╎╵╷▕▐┤├╏", "|") | dict.fromkeys("─━═┄▔▁▂", "-") | dict.fromkeys("┌┐└┘┬┴┼╭╮╰╯", "+")
SIGNS = {
    "·": "-", "•": "*", "–": "-", "—": "-", "−": "-", "…": "~", "→": ">", "←": "<", "↑": "^", "↓": "v", "▸": ">", "▾": "v",
    "×": "x", "±": "~", "√": "V", "σ": "s", "δ": "d", "λ": "l", "χ": "x", "γ": "g", "β": "b", "α": "a", "∂": "d", "Σ": "S", 
    "‘": "'", "’": "'", "“": '"', "”": '"', "≤": "<", "≥": ">", "≈": "~", "∞": "i", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip
SMALL = dict(zip("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", 2 * "0123456789", strict=True))
TABLE = BLOCKS | LINES | SIGNS | SMALL


def ascii_text(text: str) -> str:
    """`text` with nothing but ASCII, as many cells wide; what has no likeness becomes a question mark."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else TABLE.get(c, "?" * cell_len(c)) for c in text)


class AsciiFilter(LineFilter):
    """Makes every segment on the screen ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]
