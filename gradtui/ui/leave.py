"""Leaving while it trains: stop the trainer, let it go on detached, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gradtui.ui.lines import STYLES, Lines, Row

TEXT: list[Row] = [
    ((" It is still training.", "strong"),),
    (),
    (("  s ", "key"), (" stop   end the training; the recording stays", "")),
    (("  d ", "key"), (" detach leave it running; gradtui attach comes back to it", "")),
    (("  c ", "key"), (" cancel stay here", "")),
]


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
        self.query_one("#choices", Lines).put(TEXT)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)
