"""How flags are checked, and what the shell completes. Nothing but click is imported before it is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import click

FASTEST_RATE = 10.0
"""Frames a second: what the screen's budgets are made for."""
FASTEST_PACE = 1e6
LAST_STEP = 10**9
COUNT = click.IntRange(1, LAST_STEP)
"""Of steps."""

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def hertz(text: str) -> float:
    """A rate of frames."""
    return _number(text, f"a number above 0, up to {FASTEST_RATE:g}", lambda number: 0 < number <= FASTEST_RATE)


def pace(text: str) -> float:
    """Steps a second."""
    return _number(text, f"a number from 0 to {FASTEST_PACE:g}", lambda number: 0 <= number <= FASTEST_PACE)


def path(text: str) -> Path:
    """A file or a directory; of `--run-dir=~/runs` the shell does not make it what it makes of `--run-dir ~/runs`."""
    from gradtui.stream.run_directory import expanded

    return expanded(text)


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


def _completing(words: Callable[[], Iterable[str]]) -> Complete:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [word for word in words() if word.startswith(incomplete)]

    return complete


codes = _completing(_codes)
warnings = _completing(_warnings)
scenarios = _completing(_scenarios)
runs = _completing(_runs)
settings = _completing(_settings)
