"""Scripts: a training's toggles and what must be seen of it, one a line, so that a lesson can be a test.

# batch norm cures it
at 200 set batch_norm=on
expect vanishing before 60
expect no vanishing after 260
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradtui.diagnose.rules import RULES
from gradtui.diagnose.warnings import Warning
from gradtui.lab import toggles
from gradtui.lab.errors import SettingError
from gradtui.lab.scenario import Scenario
from gradtui.lab.toggles import Scheduled

CODES = tuple(rule.code for rule in RULES)

_STEP = rf"(\d{{1,{toggles.STEP_DIGITS}}})"
_AT = re.compile(rf"at\s+{_STEP}\s+set\s+(\S+)")
_EXPECT = re.compile(rf"expect\s+(no\s+)?(\S+)\s+(before|after)\s+{_STEP}")


class ScriptError(Exception):
    """A script that cannot be followed: file, line, what was found, what would be right."""


@dataclass(frozen=True)
class Expectation:
    """A warning that must, or must not, be open at some step before or after `step`."""

    where: str
    text: str
    wanted: bool
    code: str
    before: bool
    step: int

    def failure(self, edges: Sequence[Warning], last_step: int) -> str:
        """Why it does not hold over the run's `edges`; empty: it holds. What lies after the last step has not been seen, so nothing
        holds of it."""
        spells = open_spells(edges, self.code, last_step)
        met = [spell for spell in spells if (spell.start < self.step if self.before else spell.stop > self.step + 1)]
        if self.wanted and met:
            return ""
        if last_step < (self.step - 1 if self.before else self.step + 1):
            return f"{self.where}: {self.text}: the training ended before that, at step {last_step}"
        if bool(met) == self.wanted:
            return ""
        seen = f"it was open from step {met[0].start} to {met[0].stop - 1}" if met else "it was not open then"
        return f"{self.where}: {self.text}: {seen}"


@dataclass(frozen=True)
class Change:
    """A toggle to set, and where that stands: file and line, or the flag."""

    where: str
    scheduled: Scheduled


@dataclass(frozen=True)
class Script:
    schedule: Sequence[Change] = ()
    expectations: Sequence[Expectation] = ()


def read(path: Path, scenario: Scenario) -> Script:
    """The script in the file at `path`. Raises ScriptError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # some editors begin a file with a byte order mark
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    schedule: list[Change] = []
    expectations: list[Expectation] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        where = f"{path}:{number}"
        if at := _AT.fullmatch(text):
            schedule.append(_change(where, scenario, at))
        elif expect := _EXPECT.fullmatch(text):
            expectations.append(_expectation(where, text, expect))
        elif text:
            raise ScriptError(f"{where}: {text!r}; a line is `at STEP set KEY=VALUE` or `expect [no] WARNING before|after STEP`")
    return Script(schedule, expectations)


def _change(where: str, scenario: Scenario, found: re.Match[str]) -> Change:
    try:
        return Change(where, Scheduled(int(found[1]), *toggles.parse_setting(scenario, found[2])))
    except SettingError as error:
        raise ScriptError(f"{where}: {error}") from None


def _expectation(where: str, text: str, found: re.Match[str]) -> Expectation:
    if found[2] not in CODES:
        raise ScriptError(f"{where}: {found[2]}: no such warning; there are {', '.join(CODES)}")
    return Expectation(where, text, not found[1], found[2], found[3] == "before", int(found[4]))


def failures(expectations: Iterable[Expectation], edges: Sequence[Warning], last_step: int) -> list[str]:
    """One line for each expectation that did not hold over the run's `edges`."""
    return [failure for e in expectations if (failure := e.failure(edges, last_step))]


def open_spells(edges: Sequence[Warning], code: str, last_step: int) -> list[range]:
    """The steps at which the warning was open, as ranges."""
    spells = []
    opened: int | None = None
    for edge in edges:
        if edge.code != code:
            continue
        if edge.state == "closed" and opened is not None:
            spells.append(range(opened, edge.step))
            opened = None
        elif opened is None:
            opened = edge.step
    if opened is not None:
        spells.append(range(opened, last_step + 1))
    return spells
