"""The toggles with their keys and values: pressed by hotkey from anywhere, or here with the cursor or the mouse.

A change is a command to the trainer, so it is shown as pending until the trainer has answered that it is in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from gradtui.diagnose.words import inert
from gradtui.stream.events import Toggle, Value
from gradtui.ui import fixes
from gradtui.ui.lines import Lines, Row, Span
from gradtui.ui.scale import elide, setting, wrapped

COLUMN = 26
"""Cells that one toggle needs; a wider panel shows several side by side."""

ONLY_TO_LOOK_AT = "no toggles: gradtui.watch(…, control=True) in the loop offers some"

SELDOM = ("l1", "l2", "warmup")
"""Toggles with a key that wait behind the others where there is not room for all."""

HOTKEYS = "acdefhinopstuvwxyz123456789"
"""Keys that a run's toggles may have; the screen binds none of them itself."""


def hotkeys() -> list[BindingType]:
    """The toggles' keys as bindings: forward, and with shift, where that is free, backward. Which are alive is the run's to say."""
    forward: list[BindingType] = [Binding(k, f"press('{k}', 1)", f"Toggle {k}", id=f"toggle.{k}", show=False) for k in HOTKEYS]
    letters = [k for k in HOTKEYS if k.isalpha() and k.upper() != fixes.KEY]
    return forward + [Binding(k.upper(), f"press('{k}', -1)", f"Toggle {k} back", id=f"toggle.{k}.back", show=False) for k in letters]


class TogglesPanel(Lines, can_focus=True):
    """Every toggle of the run in one grid."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="toggles.up", show=False, tooltip="The toggle above."),
        Binding("down,j", "move(1)", "Down", id="toggles.down", show=False, tooltip="The toggle below."),
        Binding("enter", "change(1)", "Change", id="toggles.change", key_display="enter", tooltip="Flip it, choose, or type a number."),
        Binding("plus,equals_sign,right", "scale(1)", "More", id="toggles.more", show=False, tooltip="Twice the number, or the next."),
        Binding("minus,left", "scale(-1)", "Less", id="toggles.less", show=False, tooltip="Half the number, or the one before."),
    ]

    class Asked(Message):
        """A toggle is to change: to the next value (1) or the one before (-1)."""

        def __init__(self, key: str, direction: int, *, scale: bool = False) -> None:
            super().__init__()
            self.key = key
            self.direction = direction
            self.scale = scale
            """A number is doubled or halved rather than typed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._toggles: list[Toggle] = []
        self._settings: Mapping[str, Value] = {}
        self._pending: Mapping[str, Value] = {}
        self._refused: Mapping[str, str] = {}
        self._cursor = 0
        self._none = False
        """The run offers no toggles."""

    @property
    def count(self) -> int:
        """How many toggles there are."""
        return len(self._toggles)

    def describe(self, toggles: Sequence[Toggle]) -> None:
        """The run's toggles."""
        self._toggles = sorted(toggles, key=rank)
        self._cursor = 0
        self._none = not toggles

    def show(self, settings: Mapping[str, Value], pending: Mapping[str, Value], refused: Mapping[str, str]) -> None:
        """The values in force, those asked for, and the reasons of those refused, by toggle key."""
        self._settings, self._pending, self._refused = settings, pending, refused
        self.draw_grid()

    def draw_grid(self) -> None:
        """Draw the page with the cursor, column by column; without the focus the first page, the one that matters."""
        if self._none:
            self.put([((f" {line}", "muted"),) for line in wrapped(ONLY_TO_LOOK_AT, max(1, self.size.width - 1), 3)])
            return
        columns, height, page = self._grid()
        start = self._start(page)
        cell = self.size.width // columns
        shown = [self._cell(index, cell) for index in range(start, min(self.count, start + page))]
        if rest := self.count - start - len(shown):
            shown.append([(f"   +{rest} more{'' if self.has_focus else ': tab'}".ljust(cell), "muted")])
        rows: list[Row] = [tuple(span for cells in shown[y::height] for span in cells) for y in range(min(height, len(shown)))]
        self.put(self._with_reason(rows, (self._cursor - start) % height))

    def _grid(self) -> tuple[int, int, int]:
        """How many columns and rows there are, and how many toggles they hold: one less where that is not all of them."""
        columns, height = max(1, self.size.width // COLUMN), max(1, self.size.height)
        room = columns * height
        return columns, height, room if self.count <= room else max(1, room - 1)

    def _start(self, page: int) -> int:
        return self._cursor // page * page if self.has_focus else 0

    def _with_reason(self, rows: list[Row], here: int) -> list[Row]:
        """The rows, and over those furthest from the cursor, in row `here`, why its toggle cannot be had."""
        reason = self._reason() if self.has_focus else ""
        lines = wrapped(reason, max(1, self.size.width - 2), max(1, len(rows) - 1)) if reason else []
        told: list[Row] = [((f" {line}".ljust(self.size.width), "warn"),) for line in lines]
        return told + rows[len(told) :] if 2 * here >= len(rows) else rows[: len(rows) - len(told)] + told

    def _reason(self) -> str:
        toggle = self._toggles[self._cursor] if self._cursor < self.count else None
        if toggle is None or not toggle.applies:
            return inert(toggle.reason) if toggle else ""
        return inert(self._refused.get(toggle.key, ""))

    def _cell(self, index: int, width: int) -> list[Span]:
        toggle = self._toggles[index]
        value = setting(self._settings.get(toggle.key, toggle.value))
        style = "strong"
        if toggle.key in self._pending:
            value, style = f"→ {setting(self._pending[toggle.key])}…", "warn"
        elif toggle.key in self._refused:
            value, style = "refused", "warn"
        elif not toggle.applies:
            value, style = "n/a", "muted"
        value = elide(inert(value), max(4, width // 2))
        label = elide(inert(toggle.label) + ("" if toggle.live else " *"), max(4, width - 5 - len(value)))
        pad = " " * max(1, width - 4 - len(label) - len(value))
        here = index == self._cursor and self.has_focus
        label_style = "cursor" if here else "" if toggle.applies else "muted"
        return [
            (f" {inert(toggle.hotkey)[:1] or ' '} ", "key" if toggle.applies else "muted"),
            (label, label_style),
            (pad, ""),
            (value, style),
            (" ", ""),
        ]

    def action_move(self, by: int) -> None:
        self._cursor = max(0, min(self.count - 1, self._cursor + by))
        self.draw_grid()

    def action_change(self, direction: int) -> None:
        self._ask(direction, scale=False)

    def action_scale(self, direction: int) -> None:
        self._ask(direction, scale=True)

    def _ask(self, direction: int, *, scale: bool) -> None:
        if self._cursor < len(self._toggles):
            self.post_message(self.Asked(self._toggles[self._cursor].key, direction, scale=scale))

    def on_click(self, event: events.Click) -> None:
        columns, height, page = self._grid()
        place = min(columns - 1, event.x // max(1, self.size.width // columns)) * height + event.y
        if event.y < height and place < page and (index := self._start(page) + place) < self.count:
            self._cursor = index
            self._ask(1, scale=False)

    def on_resize(self) -> None:
        self.draw_grid()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.draw_grid()


def rank(toggle: Toggle) -> tuple[bool, ...]:
    """Sorts the toggles by use, and otherwise as the trainer gives them: those with a key first, those that do not apply last."""
    return not toggle.applies, not toggle.hotkey, toggle.key in SELDOM, not toggle.live


def following(toggle: Toggle, value: Value, direction: int) -> Value:
    """The choice after (1) or before (-1) `value`."""
    now = {"True": "on", "False": "off"}.get(str(value), str(value))
    at = toggle.choices.index(now) if now in toggle.choices else -1 if direction > 0 else 0
    return toggle.choices[(at + direction) % len(toggle.choices)]


def scaled(toggle: Toggle, value: Value, direction: int) -> Value:
    """A number doubled or halved, within the toggle's bounds; a whole number stays whole."""
    factor = 2.0 if direction > 0 else 0.5
    new = float(value) * factor
    low = -float("inf") if toggle.minimum is None else toggle.minimum
    high = float("inf") if toggle.maximum is None else toggle.maximum
    new = min(high, max(low, new))
    if isinstance(value, int):
        return max(round(new), int(value) + 1) if direction > 0 and value < high else round(new)
    return float(f"{new:.6g}")


def bounds(toggle: Toggle) -> str:
    """What a number may be, in words: ` from 0 to 1`, ` of 0 or more`; empty: anything."""
    low, high = toggle.minimum, toggle.maximum
    if low is not None:
        return f" of {low:g} or more" if high is None else f" from {low:g} to {high:g}"
    return "" if high is None else f" of {high:g} or less"


def typed(toggle: Toggle, text: str) -> float | int | str:
    """The number that was typed, or, as a string, what is wrong with it."""
    try:
        value = float(text)
    except ValueError:
        return f"{inert(text)!r} is not a number"
    if not (toggle.minimum is None or value >= toggle.minimum) or value != value:
        return f"{text} is too small: it is at least {toggle.minimum:g}"
    if not (toggle.maximum is None or value <= toggle.maximum):
        return f"{text} is too large: it is at most {toggle.maximum:g}"
    return int(value) if value == int(value) and isinstance(toggle.value, int) else value
