"""Makes Textual's pilot quick and sure: it naps for 20 ms at a time until the process idles, and most of these tests were naps.

On a busy machine a process idles because others run, so a nap is no sign that a key has gone all its way through the
queues; turns of the event loop are. And nothing here goes away or gives up by the clock.
"""

import asyncio

import pytest
from textual import _wait
from textual.pilot import Pilot

from gradtui.ui.app import GradApp

TURNS = 40
"""Turns of the event loop: a message passed on takes one or two."""

NAP = 0.002

FOR_EVER = 3600.0


async def turns(_: float) -> None:
    """Let everything that is ready run, and what that makes ready."""
    for _turn in range(TURNS):
        await asyncio.sleep(0)
    await asyncio.sleep(NAP)


@pytest.fixture(autouse=True)
def short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns in place of naps, until the process idles however long that takes."""
    monkeypatch.setattr(_wait, "sleep", turns)
    monkeypatch.setattr(_wait.wait_for_idle, "__defaults__", (NAP, FOR_EVER))
    monkeypatch.setattr(Pilot._wait_for_screen, "__defaults__", (FOR_EVER,))


@pytest.fixture(autouse=True)
def notes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said in passing is there until it is looked at: five seconds are soon over on a slow machine."""
    monkeypatch.setattr(GradApp, "NOTIFICATION_TIMEOUT", FOR_EVER)
