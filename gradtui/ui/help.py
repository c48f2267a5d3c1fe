"""The help: made from the bindings and the run's toggles, so that it cannot say anything else than what the keys do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from gradtui.diagnose.words import inert
from gradtui.stream.events import Toggle
from gradtui.ui.lines import STYLES, Lines, Row
from gradtui.ui.measures import MEASURES
from gradtui.ui.scale import setting, wrapped

KEY_WIDTH = 13
TEXT_WIDTH = 56
NARROW = 60
"""Cells of the dialog under which a key that is longer than KEY_WIDTH_NARROW stands on a line of its own."""
KEY_WIDTH_NARROW = 7

DIALOG = 78
"""Cells of a dialog where the terminal has them, as the style sheet says."""
FRAME = 3
"""Of them its padding and its scroll bar."""

Text = Callable[[int], Sequence[Row]]
"""Rows to read, for a width in cells."""

SIGNS: tuple[tuple[str, str], ...] = (
    ("X  !  i", "a critical warning, a warning, an information on this layer"),
    ("f", "frozen: its parameters take no gradient"),
    ("│ in a bar", "where it was before the last toggle or restart, or where the other run of a comparison is; ║ where theory puts it too"),
    ("┊ in a bar", "delta at initialisation by theory, laid through the last layer; faint after step 10"),
    ("▒ · in a bar", "where 19 networks in 20 of this width begin, by theory"),
    (
        "▸ ▾ in a name",
        "a block of layers, and how many: closed, open; its bar is their median, ▒ · from least to greatest, its number the worst",
    ),
    ("–", "not measured, or there is no gradient: that is not 0"),
    ("*", "a toggle that takes effect at the next restart"),
)


def key_names(binding: Binding) -> str:
    """`up,k` as `up k`, and signs as they look."""
    looks = {
        "question_mark": "?",
        "full_stop": ".",
        "comma": ",",
        "slash": "/",
        "plus": "+",
        "equals_sign": "=",
        "minus": "-",
        "exclamation_mark": "!",
    }
    return " ".join(looks.get(key.strip(), key.strip()) for key in binding.key.split(","))


def bare(binding: Binding) -> str:
    """What a binding does, without its parameters: `measure` of `measure(1)`."""
    return binding.action.partition("(")[0]


def rows(sections: Iterable[tuple[str, Sequence[Binding]]], toggles: Sequence[Toggle], width: int = DIALOG - FRAME) -> list[Row]:
    """The help's rows: every binding with its words, the toggles with their keys, and what the signs mean."""
    found: list[Row] = []
    for title, bindings in sections:
        found += _section(title, [(key_names(b), b.tooltip or b.description) for b in bindings], width)
    offered = [(inert(t.hotkey) or "in the panel", _toggle(t)) for t in toggles]
    found += _section("Toggles (of more than two values a list; with shift from the value before)", offered, width)
    found += _section("Signs", SIGNS, width)
    found += _section("What the bars show", [(measure.title, measure.about) for measure in MEASURES], width)
    return found


def _section(title: str, lines: Sequence[tuple[str, str]], width: int) -> list[Row]:
    body = [row for key, text in lines for row in beside(key, text, width)]
    return [*(((f" {line}", "title"),) for line in wrapped(title, width - 1, 3)), *body, ()] if body else []


def beside(key: str, text: str, width: int) -> list[Row]:
    """`key` and, beside it, what it does; where there is little room what is too long for its column stands above it."""
    column = KEY_WIDTH_NARROW if width < NARROW else KEY_WIDTH
    above: list[Row] = [((f"  {key}", "key"),)] if len(key) > column else []
    lines = wrapped(text, max(1, min(TEXT_WIDTH, width - column - 3)), 20)
    heads = ["" if above or n else key for n in range(len(lines))]
    return [*above, *(((f"  {head:<{column}} ", "key"), (line, "")) for head, line in zip(heads, lines, strict=True))]


def _toggle(toggle: Toggle) -> str:
    values = ", ".join(toggle.choices) if toggle.choices else f"a number, now {setting(toggle.value)}"
    why = "" if toggle.applies else f" (does not apply: {toggle.reason})"
    return inert(f"{toggle.label}: {values}{why}")


class TextScreen(ModalScreen[None]):
    """Rows to read, scrolled with the usual keys, closed with escape or the key that opened it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close", id="text.close", tooltip="Back to the bars."),
        Binding("j", "scroll(1)", "Down", id="text.down", show=False, tooltip="Down a line."),
        Binding("k", "scroll(-1)", "Up", id="text.up", show=False, tooltip="Up a line."),
    ]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._heading = title
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="text"):
            yield Lines(id="title")
            yield Lines(id="content")

    def on_mount(self) -> None:
        self.show(self._text)

    def on_resize(self) -> None:
        self.show(self._text)

    def show(self, text: Text) -> None:
        """Another text, or the numbers of a newer frame, which may come before there is anything to show them on."""
        self._text = text
        width = min(DIALOG, self.app.size.width) - FRAME
        for id, rows in (("#title", headed(self._heading, width)), ("#content", text(width))):
            for lines in self.query(id).results(Lines):
                lines.styles.height = len(rows)
                lines.put(rows)

    def action_scroll(self, by: int) -> None:
        self.query_one("#text").scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        self.dismiss(None)


def headed(title: str, width: int) -> list[Row]:
    """A dialog's title, and how it is closed: on a line of its own where that does not fit beside it."""
    closes = ("escape closes", "muted")
    lines = wrapped(title, max(1, width - 1), 3)
    if len(lines) == 1 and len(title) + len(closes[0]) + 4 <= width:
        return [((f" {title}", "strong"), ("   ", ""), closes)]
    return [*(((f" {line}", "strong"),) for line in lines), ((" ", ""), closes)]
