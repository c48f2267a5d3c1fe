"""The help: made from the bindings and the run's toggles, so that it cannot say anything else than what the keys do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

SIGNS: tuple[tuple[str, str], ...] = (
    ("X  !  i", "a critical warning, a warning, an information on this layer"),
    ("f", "frozen: its parameters take no gradient"),
    ("│ in a bar", "where it was before the last toggle, or where the other run of a comparison is; ║ where theory puts it too"),
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


def rows(sections: Iterable[tuple[str, Sequence[Binding]]], toggles: Sequence[Toggle]) -> list[Row]:
    """The help's rows: every binding with its words, the toggles with their keys, and what the signs mean."""
    found: list[Row] = []
    for title, bindings in sections:
        found += _section(title, [(key_names(b), b.tooltip or b.description) for b in bindings])
    found += _section("Toggles (with shift: the value before)", [(inert(t.hotkey) or "in the panel", _toggle(t)) for t in toggles])
    found += _section("Signs", SIGNS)
    found += _section("What the bars show", [(measure.title, measure.about) for measure in MEASURES])
    return found


def _section(title: str, lines: Sequence[tuple[str, str]]) -> list[Row]:
    body: list[Row] = []
    for key, text in lines:
        for n, line in enumerate(wrapped(text, TEXT_WIDTH, 10)):
            body.append(((f"  {key if n == 0 else '':<{KEY_WIDTH}} ", "key"), (line, "")))
    return [((f" {title}", "title"),), *body, ()] if body else []


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

    def __init__(self, title: str, rows: Sequence[Row]) -> None:
        super().__init__()
        self._heading = title
        self._rows = rows

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="text"):
            yield Lines(id="title")
            yield Lines(id="content")

    def on_mount(self) -> None:
        self.query_one("#title", Lines).put([((f" {self._heading}", "strong"), ("   escape closes", "muted"))])
        self.show(self._rows)

    def show(self, rows: Sequence[Row]) -> None:
        """Other rows: those of a newer frame."""
        content = self.query_one("#content", Lines)
        content.styles.height = len(rows)
        content.put(rows)

    def action_scroll(self, by: int) -> None:
        self.query_one("#text").scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        self.dismiss(None)
