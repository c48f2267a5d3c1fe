"""The page behind a warning: what was seen in this run, whole, and then the page that `gradtui explain` prints.

Of those that are open, and of a crash; or, when nothing is wrong, of every warning there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from rich.cells import chop_cells
from textual.binding import Binding, BindingType

from gradtui.diagnose import page
from gradtui.diagnose.words import label
from gradtui.ui.help import Text, TextScreen
from gradtui.ui.lines import Row, Span
from gradtui.ui.scale import wrapped
from gradtui.ui.warnings import Item

MOST = 60
"""Lines of one part: an exception's message can be a book."""


class PagesScreen(TextScreen):
    """The pages of what is wrong, the first of them at first; of every warning where nothing is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", id="pages.next", show=False, tooltip="The next warning's page."),
        Binding("p", "turn(-1)", "Previous", id="pages.previous", show=False, tooltip="The page of the warning before."),
        Binding("exclamation_mark", "close", "Close", id="pages.close", show=False, tooltip="Back to the bars."),
    ]

    def __init__(self, wrong: Sequence[Item]) -> None:
        self._here = {item.code: item for item in wrong}
        self._codes = list(self._here) or page.CODES
        self._at = 0
        super().__init__("What is wrong" if wrong else "No warning is open: these are all", self._page())

    def _page(self) -> Text:
        return partial(rows, self._codes, self._at, here=self._here)

    def action_turn(self, by: int) -> None:
        self._at = (self._at + by) % len(self._codes)
        self.show(self._page())
        self.query_one("#text").scroll_home(animate=False)


def rows(codes: Sequence[str], at: int, width: int, here: Mapping[str, Item] | None = None) -> list[Row]:
    """The names of all pages, where there are several, and the page of `codes[at]`, with what was seen `here` first."""
    code = codes[at]
    item = (here or {}).get(code)
    found = _names(codes, at, width) if len(codes) > 1 else []
    if item:
        found += _beside("Here", item.evidence, width) + (_beside("Advice", item.advice, width) if item.advice else []) + [()]
    if code not in page.CODES:  # a crash
        return found
    lines = page.lines(page.load(code), width)
    headings = next(n for n, line in enumerate(lines) if line.startswith("Means"))  # a page's first part
    found += [((line, "title"),) for line in lines[:headings]]
    return found + [((line[: page.MARGIN], "key"), (line[page.MARGIN :], "")) for line in lines[headings:]]


def _beside(head: str, text: str, width: int) -> list[Row]:
    """`text` in the page's own columns; a word that is longer than a line goes on in the next."""
    room = max(1, width - page.MARGIN)
    lines = wrapped(" ".join(piece for word in text.split() for piece in chop_cells(word, room)), room, MOST)
    return [((f"{'' if n else head:<{page.MARGIN}}", "key"), (line, "")) for n, line in enumerate(lines)]


def _names(codes: Sequence[str], at: int, width: int) -> list[Row]:
    found: list[list[Span]] = [[]]
    for index, code in enumerate(codes):
        name = f"{label(code)}   "
        if sum(len(text) for text, _ in found[-1]) + len(name.rstrip()) > width:
            found.append([])
        found[-1].append((name, "strong" if index == at else "muted"))
    return [*map(tuple, found), (("n next, p previous", "muted"),), ()]
