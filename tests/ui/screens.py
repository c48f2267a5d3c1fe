"""Running the real app under Textual's pilot, and reading its screen as text."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import msgspec
from textual.pilot import Pilot

from gradtui.stream.commands import Command
from gradtui.stream.events import Event
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.app import GradApp, Outcome, Watched
from gradtui.ui.bars import LayerBars
from gradtui.ui.feed import Feed
from gradtui.ui.run_screen import RunScreen
from gradtui.ui.shot import screen_text
from gradtui.ui.watched import Restart
from tests.ui import recordings as rec

GOLDEN = Path(__file__).parent / "golden"

SETTLES = 20
"""Looks at a screen that changes at each: one with a clock on it does so for ever."""


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
        """Until everything that was written is on the screen and changes nothing more there, however slow the machine."""
        before = ""
        for _ in range(SETTLES):
            self.screen.look()
            await self.pilot.pause()
            now = self.text()
            if now == before:
                return
            before = now

    async def append(self, *events: Event) -> None:
        rec.append(self.run, events)
        await self.settle()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
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
    with patch.object(Feed, "silent_for", 0.0):  # a slow machine is no silent trainer
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            shown = Showing(app, pilot, run)
            await shown.settle()
            yield shown


@contextmanager
def drawing() -> Iterator[set[int]]:
    """The rows of the bars that are drawn meanwhile."""
    drawn: set[int] = set()
    original = LayerBars._draw_bar

    def draw(bars: LayerBars, y: int) -> tuple[str, str]:
        drawn.add(y)
        return original(bars, y)

    with patch.object(LayerBars, "_draw_bar", draw):
        yield drawn


def check_golden(name: str, text: str) -> None:
    """Compare with golden/`name`; GRADTUI_GOLDEN=write writes it instead."""
    path = GOLDEN / name
    if os.environ.get("GRADTUI_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
