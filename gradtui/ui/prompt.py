"""A one-line question at the foot of the screen: a number for a toggle, or a filter for the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from gradtui.ui.lines import STYLES, Lines
from gradtui.ui.scale import wrapped

LEAVES = "; escape leaves it as it was"
"""What else there is to know of a question, here and over a list."""

MOST = 4
"""Lines of a question, or of what is wrong with an answer."""


class Prompt(ModalScreen[str | None]):
    """Asks for a line; the answer is the text, or None when it was left with escape."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", id="prompt.cancel", tooltip="Change nothing.")]

    def __init__(
        self,
        question: str,
        value: str = "",
        *,
        check: Callable[[str], str] | None = None,
        changed: Callable[[str], None] | None = None,
    ) -> None:
        """`check` gives what is wrong with an answer (empty: nothing); `changed` is told of every key."""
        super().__init__()
        self._question = f"{question}{LEAVES}"
        self._value = value
        self._check = check
        self._changed = changed
        self._said = (self._question, "key")

    def compose(self) -> ComposeResult:
        with Vertical(id="prompt"):
            yield Lines(id="question")
            yield Input(self._value, compact=True, id="answer")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        self._say(self._question, "key")

    def _say(self, text: str, style: str) -> None:
        self._said = (text, style)
        lines = wrapped(text, max(1, self.app.size.width - 2), MOST)
        question = self.query_one("#question", Lines)
        question.styles.height = len(lines)
        question.put([((f" {line}", style),) for line in lines])

    def on_resize(self) -> None:
        self._say(*self._said)

    @on(Input.Changed)
    def _tell(self, event: Input.Changed) -> None:
        self._say(self._question, "key")
        if self._changed:
            self._changed(event.value)

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        wrong = self._check(event.value) if self._check else ""
        if wrong:
            self._say(wrong, "alarm")
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
