"""The list of scenarios, grouped by what they teach, with what each shows beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList
from textual.widgets.option_list import Option

from gradtui.diagnose.words import inert
from gradtui.ui.lines import STYLES, Lines, Row
from gradtui.ui.scale import wrapped

TITLE = 34
"""Cells of a title in the list, after its indent."""

SMALL = (60, 16)
"""Columns and rows under which, as the style sheet has it, the text has three rows under the list, and no footer says the keys."""


@dataclass(frozen=True)
class Choice:
    """A scenario as the list shows it."""

    name: str
    title: str
    group: str
    shows: str
    """One line."""
    details: tuple[tuple[str, str], ...] = ()
    """Heading and text, in the order to read them: symptom, cause, what to try …"""


class ScenarioList(OptionList):
    """The scenarios under the headings of their groups."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_down", "Down", id="picker.down", show=False, tooltip="The next scenario."),
        Binding("up,k", "cursor_up", "Up", id="picker.up", show=False, tooltip="The scenario before."),
        Binding("enter", "select", "Run it", id="picker.choose", key_display="enter", tooltip="Train the scenario and watch it."),
        Binding("space", "read(1)", "Read on", id="picker.on", tooltip="What is said of it: a page on."),
        Binding("pagedown", "read(1)", "Read on", id="picker.page", show=False, tooltip="The same."),
        Binding("pageup", "read(-1)", "Read back", id="picker.back", show=False, tooltip="What is said of it: a page back."),
    ]

    class Read(Message):
        """The text beside the list is to be turned, on (1) or back (-1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_read(self, by: int) -> None:
        self.post_message(self.Read(by))


class Picker(Screen[None]):
    """Choose a scenario."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    class Chosen(Message):
        """A scenario is to run."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._choices = {choice.name: choice for choice in choices}
        self._list = ScenarioList(id="scenarios", markup=False, compact=True)
        self._detail = Lines(id="scenario")

    def compose(self) -> ComposeResult:
        yield Lines(id="heading")
        with Horizontal(id="chosen"):
            yield self._list
            yield VerticalScroll(self._detail, id="about", can_focus=False)
        yield Footer()

    def on_mount(self) -> None:
        group = ""
        for choice in self._choices.values():
            if choice.group != group:
                group = choice.group
                self._list.add_option(Option(Content(f"{inert(group)}"), disabled=True))
            self._list.add_option(Option(Content("  " + "\n    ".join(wrapped(inert(choice.title), TITLE, 5))), id=choice.name))
        self._list.focus()
        self._list.action_first()

    @on(OptionList.OptionHighlighted)
    def _describe(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id is not None:
            self._show(self._choices[event.option_id])
            self.query_one("#about").scroll_home(animate=False, immediate=True)

    @on(ScenarioList.Read)
    def _turn(self, read: ScenarioList.Read) -> None:
        about = self.query_one("#about")
        about.scroll_relative(y=read.by * max(1, about.size.height - 1), animate=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_highlighted)

    def _show_highlighted(self) -> None:
        option = self._list.highlighted_option
        if option is not None and option.id is not None:
            self._show(self._choices[option.id])

    def _show(self, choice: Choice) -> None:
        small = self.size.width < SMALL[0]
        footer = not small and self.size.height >= SMALL[1]
        about = "watch a network fail to train, and repair it" if footer else "enter runs it, ? keys"
        self.query_one("#heading", Lines).put([((" gradtui ", "title"), (f" {about}", "muted"))])
        width = max(20, self._detail.size.width - 2)
        found = [((line, ""),) for line in wrapped(inert(choice.shows), width, 10)] if small else rows(choice, width)
        self._detail.styles.height = len(found)
        self._detail.put(found)

    @on(OptionList.OptionSelected)
    def _run(self, event: OptionList.OptionSelected) -> None:
        if event.option_id is not None:
            self.post_message(self.Chosen(event.option_id))


def rows(choice: Choice, width: int) -> list[Row]:
    """What there is to read about a scenario, `width` cells wide."""
    found: list[Row] = [((inert(choice.title), "title"), (f"  {inert(choice.name)}", "muted")), ()]
    found += [((line, "strong"),) for line in wrapped(inert(choice.shows), width, 10)]
    for heading, text in choice.details:
        found += [(), ((inert(heading), "key"),)]
        for paragraph in text.split("\n"):
            found += [((line, ""),) for line in wrapped(inert(paragraph), width, 200)]
    return found
