"""The toggles' share of a run's screen: from a key, a click or a choice in the palette to a command for the trainer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import msgspec
from textual import on
from textual.screen import Screen

from gradtui.diagnose.words import inert
from gradtui.stream.events import Applied, Toggle, Value
from gradtui.ui import fixes, toggles
from gradtui.ui.controls import Controls
from gradtui.ui.feed import Source
from gradtui.ui.fixes import Fix
from gradtui.ui.life import Life
from gradtui.ui.lines import STYLES
from gradtui.ui.prompt import Prompt
from gradtui.ui.scale import setting
from gradtui.ui.toggles import TogglesPanel
from gradtui.ui.watched import Restart

OVER = "the run is over: no toggle acts on it any more"
ONLY_TO_LOOK_AT = "this run can only be looked at: its loop watches it without control=True"

HELD = 1.0
"""Seconds within which a key that sets at once and is pressed again is taken to be held down."""

TOGGLING = ("press", "change", "scale", "fix")
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
    _fixed = -HELD
    """When the key for a fix was pressed last."""

    def show_texts(self) -> None:
        """Show the toggles as they are now, and what else is told in text."""
        raise NotImplementedError

    def tell(self, text: str, severity: str = "warning") -> None:
        """Say something in passing."""
        self.notify(text, severity="warning" if severity == "warning" else "information", markup=False)

    def hear(self, answers: Sequence[Applied], *, aloud: bool) -> None:
        """Take the trainer's answers; what there is to tell of all that came together is one note. Not `aloud`: they are old."""
        labels = {toggle.key: toggle.label for toggle in self._offered()}
        heard = [self.controls.answer(answer, labels.get(answer.toggle, "")) for answer in answers]
        told = [(text, severity) for text, severity in heard if text]
        if told and aloud:
            self.tell("; ".join(text for text, _ in told), max(severity for _, severity in told))

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
        """Change the toggle `key`: the other one of two choices; of more, and of numbers, one is asked for, or is the next."""
        toggle = next((toggle for toggle in self._offered() if toggle.key == key), None)
        if toggle:
            self._change(toggle, direction, scale=scale)

    def put(self, settings: Mapping[str, Value] | None) -> None:
        """Change toggles, together and in this order; None: none."""
        offered = {toggle.key for toggle in self._offered()}
        settings = {key: value for key, value in (settings or {}).items() if key in offered}
        if not settings:
            return
        if not self.changeable:  # it may have ended while a choice was made
            self.tell(self.REFUSAL)
        elif self.life.over:
            self.controls.plan(settings)
        elif problem := self.controls.set(settings):
            self.tell(problem)
        self.show_texts()

    def action_fix(self) -> None:
        """Put in force what the open warnings suggest: at once where they agree, else what is chosen."""
        last, self._fixed = self._fixed, time.monotonic()
        found = fixes.suggested(self.feed.state)
        if why_not := self.why_not("fix"):
            self.tell(why_not)
        elif not found:
            self.tell("no open warning suggests a change")
        elif len(found) > 1:
            self._choose("Fix", list(map(fixes.about, found)), 0, fixes.KEY, lambda at: self._fix(found[at]))
        elif self._fixed - last > HELD:
            self._fix(found[0])

    def _fix(self, fix: Fix) -> None:
        self.tell(f"set {fix.words}", "information")
        self.put(fix.settings)

    def toggles_now(self) -> list[Toggle]:
        """The run's toggles with the values that are in force."""
        return [msgspec.structs.replace(toggle, value=self.feed.state.settings.get(toggle.key, toggle.value)) for toggle in self._offered()]

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
        elif len(toggle.choices) > 2 and not scale:
            self._ask_choice(toggle, now, direction)
        elif toggle.choices:
            self.put({toggle.key: toggles.following(toggle, now, direction)})
        elif scale and not isinstance(now, str):
            self.put({toggle.key: toggles.scaled(toggle, now, direction)})
        else:
            self._ask_number(toggle, now)

    def _ask_choice(self, toggle: Toggle, now: Value, direction: int) -> None:
        """Ask which: what a warning suggests is under the cursor, or else the next one or the one before."""
        wanted = [str(fix.settings[toggle.key]) for fix in fixes.suggested(self.feed.state) if toggle.key in fix.settings]
        first = next((value for value in wanted if value in toggle.choices), toggles.following(toggle, now, direction))
        notes = {str(now): "now"} | dict.fromkeys(wanted, "suggested")
        choices = [f"{inert(value)}   {notes.get(value, '')}".rstrip() for value in toggle.choices]
        at = toggle.choices.index(str(first))
        self._choose(inert(toggle.label), choices, at, toggle.hotkey, lambda at: self.put({toggle.key: toggle.choices[at]}))

    def _choose(self, question: str, choices: Sequence[str], at: int, key: str, then: Callable[[int], None]) -> None:
        from gradtui.ui.chooser import Chooser  # here: a screen that starts needs no list

        self.app.push_screen(Chooser(question, choices, at, key), lambda answer: None if answer is None else then(answer))

    def _ask_number(self, toggle: Toggle, now: Value) -> None:
        def check(text: str) -> str:
            value = toggles.typed(toggle, text)
            return value if isinstance(value, str) else ""

        def answered(text: str | None) -> None:
            value = toggles.typed(toggle, text) if text is not None else ""
            if not isinstance(value, str):
                self.put({toggle.key: value})

        self.app.push_screen(
            Prompt(f"{inert(toggle.label)}: a number{toggles.bounds(toggle)}, then enter", setting(now), check=check), answered
        )
