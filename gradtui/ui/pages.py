"""The page behind a warning, as `gradtui explain` prints it: of those that are open, or, when none is, of every one there is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType

from gradtui.diagnose import page
from gradtui.diagnose.words import label
from gradtui.ui.help import TextScreen
from gradtui.ui.lines import Row, Span


class PagesScreen(TextScreen):
    """The pages of `codes`, the first of them at first; of every warning where there are none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", id="pages.next", show=False, tooltip="The next warning's page."),
        Binding("p", "turn(-1)", "Previous", id="pages.previous", show=False, tooltip="The page of the warning before."),
        Binding("exclamation_mark", "close", "Close", id="pages.close", show=False, tooltip="Back to the bars."),
    ]

    def __init__(self, codes: Sequence[str]) -> None:
        self._codes = codes or page.CODES
        self._at = 0
        super().__init__("Open warnings" if codes else "No warning is open: all there are", partial(rows, self._codes, 0))

    def action_turn(self, by: int) -> None:
        self._at = (self._at + by) % len(self._codes)
        self.show(partial(rows, self._codes, self._at))
        self.query_one("#text").scroll_home(animate=False)


def rows(codes: Sequence[str], at: int, width: int) -> list[Row]:
    """The names of all pages, where there are several, and the page of `codes[at]`."""
    lines = page.lines(page.load(codes[at]), width)
    headings = next(n for n, line in enumerate(lines) if line.startswith("Means"))  # a page's first part
    found: list[Row] = _names(codes, at, width) if len(codes) > 1 else []
    found += [((line, "title"),) for line in lines[:headings]]
    return found + [((line[: page.MARGIN], "key"), (line[page.MARGIN :], "")) for line in lines[headings:]]


def _names(codes: Sequence[str], at: int, width: int) -> list[Row]:
    found: list[list[Span]] = [[]]
    for index, code in enumerate(codes):
        name = f"{label(code)}   "
        if sum(len(text) for text, _ in found[-1]) + len(name.rstrip()) > width:
            found.append([])
        found[-1].append((name, "strong" if index == at else "muted"))
    return [*map(tuple, found), (("n next, p previous", "muted"),), ()]
