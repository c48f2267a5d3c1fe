"""Leaving while it trains: stop the trainer, let it go on detached, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gradtui.ui.lines import STYLES, Lines, Row
from gradtui.ui.scale import wrapped

DIALOG = 66
"""Cells of the dialog where the terminal has them, as the style sheet says."""

ANSWERS = (
    ("s", "stop", "end the training; the recording stays"),
    ("d", "detach", "leave it running; gradtui attach comes back to it"),
    ("c", "cancel", "stay here"),
)


def rows(width: int) -> list[Row]:
    """The question and its answers, `width` cells wide."""
    found: list[Row] = [((" It is still training.", "strong"),), ()]
    for key, word, what in ANSWERS:
        for n, line in enumerate(wrapped(what, max(1, width - 11), 10)):
            head: Row = ((f"  {key} ", "key"), (f"{word:<7}", "")) if n == 0 else ((" " * 11, ""),)
            found.append((*head, (line, "")))
    return found


class LeaveScreen(ModalScreen[str]):
    """Answers `stop`, `detach` or `cancel`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,enter", "answer('stop')", "Stop", id="leave.stop", tooltip="End the training; the recording stays."),
        Binding("d", "answer('detach')", "Detach", id="leave.detach", tooltip="Leave it running; gradtui attach comes back to it."),
        Binding("c,escape,q", "answer('cancel')", "Cancel", id="leave.cancel", tooltip="Stay here."),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="leave"):
            yield Lines(id="choices")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        found = rows(min(DIALOG, self.app.size.width) - 2)
        choices = self.query_one("#choices", Lines)
        choices.styles.height = len(found)
        choices.put(found)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)
