"""Running the real app under Textual's pilot, and reading its screen as text."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from unittest.mock import patch

import msgspec
from textual.pilot import Pilot
from textual.widget import Widget

from gradtui.stream.commands import Command
from gradtui.stream.events import Event
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.app import Choice, GradApp, Outcome, Watched
from gradtui.ui.drawing import Drawing
from gradtui.ui.feed import Feed
from gradtui.ui.run_screen import RunScreen
from gradtui.ui.shot import screen_text
from gradtui.ui.watched import Restart
from tests.ui import recordings as rec

GOLDEN = Path(__file__).parent / "golden"

NOWHERE = RunDirectory(Path("/nowhere"))

SETTLES = 500
"""Looks at a screen before it is given up as one that never comes to rest."""

LOOKS, PAUSE = 3000, 0.02
"""How often it is looked whether something holds, and the seconds in between: looks are counted, for a slow machine's seconds are short."""


async def until(holds: Callable[[], object], what: Callable[[], str] = str) -> None:
    """Let the app go on until `holds()`; fails where it never does, and then tells `what`."""
    for _ in range(LOOKS):
        if holds():
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"waited in vain: {what()}")


@dataclass
class Process:
    """A trainer as the screen sees one."""

    returncode: int | None = None

    @property
    def alive(self) -> bool:
        return self.returncode is None


@dataclass
class Showing:
    """An app over a run, under a pilot."""

    app: GradApp
    pilot: Pilot[Outcome]
    run: RunDirectory

    @property
    def screen(self) -> RunScreen:
        screen = self.app.run_screen
        assert screen is not None
        return screen

    async def settle(self) -> None:
        """Until everything that was written and asked for is on the screen and changes nothing more there, however slow the machine."""
        before = ""
        for _ in range(SETTLES):
            if self.app.return_code is not None:  # it was left
                return
            if self.app.run_screen:
                self.app.run_screen.look()
            await self.pilot.pause()
            now = self.text()
            if now == before and self._at_rest():
                return
            before = now
        raise AssertionError(f"the screen does not come to rest:\n{before}")

    def _at_rest(self) -> bool:
        """Nothing more is to be read, to be told in text, or to be called once the screen has been painted."""
        run, top = self.app.run_screen, self.app.screen
        read = run is None or (run._soon is None and not run._stale)
        return read and not (top._callbacks or top._layout_required or top._dirty_widgets)

    async def until(self, text: str) -> None:
        """Until `text` is on the screen."""
        await until(lambda: text in self.text(), lambda: f"{text!r} on the screen:\n{self.text()}")

    async def append(self, *events: Event) -> None:
        rec.append(self.run, events)
        await self.settle()

    async def press(self, *keys: str) -> None:
        """One key after the other, each once the one before has done all that it does."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def click(self, widget: Widget, x: int, y: int) -> None:
        await self.pilot.click(widget, offset=(x, y))
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.settle()

    def text(self) -> str:
        return screen_text(self.app.screen)

    def commands(self) -> list[Command]:
        try:
            return [msgspec.json.decode(line, type=Command) for line in self.run.commands.read_bytes().splitlines()]
        except FileNotFoundError:
            return []


@asynccontextmanager
async def showing(
    place: Path,
    events: Sequence[Event],
    *,
    size: tuple[int, int] = (120, 40),
    process: Process | None = None,
    ascii: bool = False,
    remarks: tuple[tuple[int, str], ...] = (),
    restart: Restart | None = None,
) -> AsyncIterator[Showing]:
    run = rec.write(place, events)
    app = GradApp(Watched(run, process, remarks), restart=restart, ascii=ascii)
    async with opened(app, run, size) as shown:
        yield shown


@asynccontextmanager
async def listing(
    choices: Sequence[Choice], start: Callable[[str], Watched], *, size: tuple[int, int] = (80, 24), run: RunDirectory = NOWHERE
) -> AsyncIterator[Showing]:
    """The list of scenarios; `run`: what one of them would start."""
    async with opened(GradApp(choices=choices, start=start), run, size) as shown:
        yield shown


@asynccontextmanager
async def opened(app: GradApp, run: RunDirectory, size: tuple[int, int]) -> AsyncIterator[Showing]:
    """An app once its first screen is whole."""
    with patch.object(Feed, "silent_for", 0.0):  # a slow machine is no silent trainer
        async with app.run_test(size=size, notifications=True) as pilot:
            shown = Showing(app, pilot, run)
            await until(lambda: app.run_screen is None or app.run_screen.looks)
            await shown.settle()
            yield shown


@contextmanager
def drawing() -> Iterator[set[int]]:
    """The rows of the bars that are drawn meanwhile."""
    drawn: set[int] = set()
    original = Drawing._draw

    def draw(drawing: Drawing, y: int) -> tuple[str, str]:
        drawn.add(y)
        return original(drawing, y)

    with patch.object(Drawing, "_draw", draw):
        yield drawn


def check_golden(name: str, text: str) -> None:
    """Compare with golden/`name`; GRADTUI_GOLDEN=write writes it instead."""
    path = GOLDEN / name
    if os.environ.get("GRADTUI_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    golden = path.read_text(encoding="utf-8")
    assert text == golden, "\n".join(unified_diff(golden.splitlines(), text.splitlines(), "golden", "now", n=0, lineterm=""))
