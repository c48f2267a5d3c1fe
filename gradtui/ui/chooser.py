"""A list at the foot of the screen to choose one from: nothing is in force before it is chosen, so none is passed through."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList

from gradtui.ui.lines import STYLES, Lines
from gradtui.ui.prompt import LEAVES
from gradtui.ui.scale import wrapped

WIDTH = 46
"""Cells of the list where the terminal has them."""
NARROW = 100
"""Columns under which warnings lie behind the list: it takes the whole width, or halves of their words would stand beside it."""


class ChoiceList(OptionList):
    """What can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_down", "Down", id="chooser.down", show=False, tooltip="The next one."),
        Binding("up,k", "cursor_up", "Up", id="chooser.up", show=False, tooltip="The one before."),
        Binding("enter", "select", "Take it", id="chooser.take", key_display="enter", tooltip="Take the one under the cursor."),
    ]

    def action_page_down(self) -> None:
        with contextlib.suppress(LookupError):  # Textual's list ends the program where it has not been laid out yet
            super().action_page_down()  # type: ignore[no-untyped-call]

    def action_page_up(self) -> None:
        with contextlib.suppress(LookupError):
            super().action_page_up()  # type: ignore[no-untyped-call]


class Chooser(ModalScreen[int | None]):
    """Answers with the place of what was chosen in `choices`, or None when it was left with escape."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "Cancel", id="chooser.cancel", tooltip="Change nothing."),
    ]

    def __init__(self, question: str, choices: Sequence[str], at: int, key: str = "") -> None:
        """`at`: where the cursor is at first; `key`, which opened it, moves the cursor down, and with shift up."""
        super().__init__()
        self._question = f"{question}: {f'{key} or ' if key else ''}arrows, then enter{LEAVES}"
        self._choices = choices
        self._at = at
        self._key = key

    def compose(self) -> ComposeResult:
        with Vertical(id="chooser"):
            yield Lines(id="question")
            yield ChoiceList(*map(Content, self._choices), id="choices", markup=False, compact=True)

    def on_mount(self) -> None:
        found = self.query_one(ChoiceList)
        found.highlighted = self._at
        found.focus()
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As wide as its longest choice, as far as there is room; the question on as many lines as it needs."""
        room = self.app.size.width
        width = room if room < NARROW else min(room, max(WIDTH, *(cell_len(choice) + 3 for choice in self._choices)))
        lines = wrapped(self._question, width - 2, 3)
        question = self.query_one("#question", Lines)
        question.styles.height = len(lines)
        question.put([((f" {line}", "key"),) for line in lines])
        self.query_one("#chooser").styles.width = width
        self.query_one("#choices").styles.max_height = max(1, min(12, self.app.size.height // 2 - len(lines)))

    def on_key(self, event: events.Key) -> None:
        if self._key and event.key.lower() == self._key.lower():
            event.stop()
            found = self.query_one(ChoiceList)
            found.action_cursor_up() if event.key != self._key else found.action_cursor_down()

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

    def action_cancel(self) -> None:
        self.dismiss(None)
