"""How flags are checked, and what the shell completes. Nothing but click is imported before it is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FASTEST_RATE = 10.0
"""Frames a second: what the screen's budgets are made for."""
FASTEST_PACE = 1e6
LAST_STEP = 10**9
LARGEST_SEED = 2**53 - 1
"""JSON's readers know no larger whole number."""

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def whole(least: int, most: int) -> Callable[[str], int]:
    """Whole numbers in a range."""

    def number(text: str) -> int:
        digits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
        if not digits or not least <= int(text) <= most:
            raise click.BadParameter(f"{text} is not a whole number from {least} to {most}")
        return int(text)

    return number


count = whole(1, LAST_STEP)
"""Of steps."""
seed = whole(0, LARGEST_SEED)
seeds = whole(1, 10)


def hertz(text: str) -> float:
    """A rate of frames."""
    return _number(text, f"a number above 0, up to {FASTEST_RATE:g}", lambda number: 0 < number <= FASTEST_RATE)


def pace(text: str) -> float:
    """Steps a second."""
    return _number(text, f"a number from 0 to {FASTEST_PACE:g}", lambda number: 0 <= number <= FASTEST_PACE)


def path(text: str) -> Path:
    """A file or a directory; of `--run-dir=~/runs` the shell does not make it what it makes of `--run-dir ~/runs`."""
    from gradtui.stream.run_directory import expanded

    if not text:  # of a variable that is not set, say: the directory one stands in was hardly meant
        raise click.BadParameter("it is empty; name a path")
    return expanded(text)


def destination(text: str) -> str:
    """Where to write: a path, or `-` for standard output."""
    return text if text == "-" else str(path(text))


def first_step(text: str) -> int:
    """A step to begin at, or `start`."""
    if text == "start":
        return 0
    if not text.isascii() or not text.isdecimal() or int(text) > LAST_STEP:
        raise click.BadParameter(f"{text} is not a step's number, or start")
    return int(text)


def share(text: str) -> float:
    """A share of something."""
    return _number(text, "a number from 0 to 1", lambda number: 0 <= number <= 1)


def _number(text: str, right: str, fits: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not fits(number):
        raise click.BadParameter(f"{text} is not {right}")
    return number


def _codes() -> Iterable[str]:
    from gradtui.script import CODES

    return CODES


def _warnings() -> Iterable[str]:
    return (*_codes(), "any")


def _scenarios() -> Iterable[str]:
    from gradtui.lab.scenario import catalog

    return (scenario.name for scenario in catalog())


def _runs() -> Iterable[str]:
    from gradtui.stream.run_directory import all_runs

    return (run.name for run in all_runs())


def _settings() -> Iterable[str]:
    from gradtui.lab.declarations import TOGGLES

    return (f"{toggle.key}={choice}" for toggle in TOGGLES for choice in toggle.choices or ("",))


def _patients() -> Iterable[str]:
    return (*_scenarios(), *_runs())


def _nothing() -> Iterable[str]:
    return ()


def _completing(words: Callable[[], Iterable[str]], otherwise: str = "") -> Complete:
    """The words that begin as what is typed does; where none does `otherwise`: a `file` or a `dir`, which the shell completes itself."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(word) for word in words() if word.startswith(incomplete)]
        return found or ([CompletionItem(incomplete, type=otherwise)] if otherwise else [])

    return complete


codes = _completing(_codes)
warnings = _completing(_warnings)
scenarios = _completing(_scenarios, "file")
runs = _completing(_runs, "dir")
patients = _completing(_patients, "file")
settings = _completing(_settings)
files = _completing(_nothing, "file")
directories = _completing(_nothing, "dir")
