"""The toggles' share of a run's screen: from a key, a click or a choice in the palette to a command for the trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.screen import Screen

from gradtui.diagnose.words import inert
from gradtui.stream.events import Toggle, Value
from gradtui.ui import toggles
from gradtui.ui.controls import Controls
from gradtui.ui.feed import Source
from gradtui.ui.life import Life
from gradtui.ui.lines import STYLES
from gradtui.ui.prompt import Prompt
from gradtui.ui.scale import setting
from gradtui.ui.toggles import TogglesPanel
from gradtui.ui.watched import Restart

OVER = "the run is over: no toggle acts on it any more"
ONLY_TO_LOOK_AT = "this run can only be looked at: its loop watches it without control=True"

TOGGLING = ("press", "change", "scale")
"""Actions, here and of the panel, that change toggles."""


class Changing(Screen[None]):
    """A screen over a run whose toggles can be changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    feed: Source
    controls: Controls
    life: Life
    _restart: Restart | None
    REFUSAL: ClassVar[str] = OVER
    """Why no toggle can be changed where none can."""

    def show_texts(self) -> None:
        """Show the toggles as they are now, and what else is told in text."""
        raise NotImplementedError

    def tell(self, text: str, severity: str = "warning") -> None:
        """Say something in passing."""
        self.notify(text, severity="warning" if severity == "warning" else "information", markup=False)

    @property
    def changeable(self) -> bool:
        """Toggles still act: on the trainer, or on the one that `r` starts after it."""
        return not self.life.over or self._restart is not None

    def why_not(self, action: str) -> str:
        """Why `action` cannot be done, in a line; empty: it can be."""
        if action not in TOGGLING:
            return ""
        hello = self.feed.state.hello
        return self.REFUSAL if not self.changeable else ONLY_TO_LOOK_AT if hello and not hello.toggles else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "press":
            return self._with_hotkey(str(parameters[0])) is not None
        return True

    def action_press(self, hotkey: str, direction: int) -> None:
        toggle = self._with_hotkey(hotkey)
        if toggle:
            self._change(toggle, direction, scale=False)

    @on(TogglesPanel.Asked)
    def _asked(self, asked: TogglesPanel.Asked) -> None:
        self.change(asked.key, asked.direction, scale=asked.scale)

    def change(self, key: str, direction: int, *, scale: bool = False) -> None:
        """Change the toggle `key`: to its next choice or the one before; a number is asked for, or scaled."""
        toggle = next((toggle for toggle in self._offered() if toggle.key == key), None)
        if toggle:
            self._change(toggle, direction, scale=scale)

    def put(self, settings: Mapping[str, Value] | None) -> None:
        """Change several toggles, in this order; None: none."""
        if settings and not self.changeable:
            self.tell(self.REFUSAL)
            return
        for toggle, value in (
            (toggle, value) for key, value in (settings or {}).items() for toggle in self._offered() if toggle.key == key
        ):
            self._set(toggle, value)

    def _offered(self) -> list[Toggle]:
        hello = self.feed.state.hello
        return hello.toggles if hello else []

    def _with_hotkey(self, hotkey: str) -> Toggle | None:
        return next((toggle for toggle in self._offered() if toggle.hotkey == hotkey), None)

    def _change(self, toggle: Toggle, direction: int, *, scale: bool) -> None:
        now = self.controls.pending.get(toggle.key, self.feed.state.settings.get(toggle.key, toggle.value))
        if not self.changeable:
            self.tell(self.REFUSAL)
        elif not toggle.applies:
            self.tell(f"{inert(toggle.label)} does not apply: {inert(toggle.reason)}")
        elif toggle.choices:
            self._set(toggle, toggles.following(toggle, now, direction))
        elif scale and not isinstance(now, str):
            self._set(toggle, toggles.scaled(toggle, now, direction))
        else:
            self._ask_number(toggle, now)

    def _ask_number(self, toggle: Toggle, now: Value) -> None:
        def check(text: str) -> str:
            value = toggles.typed(toggle, text)
            return value if isinstance(value, str) else ""

        def answered(text: str | None) -> None:
            value = toggles.typed(toggle, text) if text is not None else ""
            if not isinstance(value, str):
                self._set(toggle, value)

        self.app.push_screen(Prompt(f"{inert(toggle.label)}: a number, then enter", setting(now), check=check), answered)

    def _set(self, toggle: Toggle, value: Value) -> None:
        if not self.changeable:  # it may have ended while a number was typed
            self.tell(self.REFUSAL)
            return
        if self.life.over:
            self.controls.plan(toggle.key, value)
        elif problem := self.controls.set(toggle.key, value):
            self.tell(problem)
        self.show_texts()
