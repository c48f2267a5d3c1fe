"""One scenario explained in a screenful of 80×24: what it shows, why, what to try with the commands to run, and its toggles.

Dense on purpose: whoever reads it has a terminal of 24 lines and no pager.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable

from gradtui.diagnose.words import inert, setting
from gradtui.lab import toggles
from gradtui.lab.errors import SettingError
from gradtui.lab.families import spoken
from gradtui.lab.scenario import Scenario

WIDTH = 80
MARGIN = 9
"""Characters of the column that holds the headings."""

_SETTING = re.compile(r"\w+=[^\s,;:]+")


def text(scenario: Scenario, typed: str) -> str:
    """The screenful; `typed` is the scenario as the command line takes it. A scenario of somebody's own may need more lines."""
    about = " · ".join(filter(None, (scenario.title, scenario.group, scenario.paper)))
    rows = [textwrap.shorten(inert(about), WIDTH, placeholder=" …")]
    rows += _wrapped("Symptom", scenario.symptom)
    rows += _wrapped("Cause", scenario.cause)
    rows += _wrapped("Try", "; ".join(scenario.try_))
    rows += _wrapped("In vain", "; ".join(scenario.expect_not))
    rows += _beside("Run", [row for command in commands(scenario, typed) for row in _continued(command)])
    rows += _beside("Toggles", _packed(_toggles(scenario)))
    rows += _wrapped("Not here", _refused(scenario))
    return "\n".join(rows) + "\n"


def commands(scenario: Scenario, typed: str) -> list[str]:
    """What to type: the scenario with its best cure from the start, and with a rescue; without a cure, the scenario."""
    run = f"gradtui run {inert(shlex.quote(typed))}"
    cure = best(scenario)
    if not cure:
        return [run]
    rescue = scenario.rescue or [f"{scenario.steps // 2}:{text}" for text in cure]
    return [f"{run} {' '.join(f'--set {text}' for text in cure)}", f"{run} --headless {' '.join(f'--at {text}' for text in rescue)}"]


def best(scenario: Scenario) -> list[str]:
    """The settings that the first thing to try begins with: `batch_norm=on`, or `clip=norm with l2=0.001` as two."""
    if not scenario.try_:
        return []
    head = scenario.try_[0].partition(":")[0]
    return [found for found in _SETTING.findall(head) if _holds(scenario, found)]


def _holds(scenario: Scenario, text: str) -> bool:
    try:
        toggles.parse_setting(scenario, text)
    except SettingError:
        return False
    return True


def _toggles(scenario: Scenario) -> list[str]:
    """Every toggle that applies, as it stands at the start, after its key on the screen."""
    settings = toggles.initial(scenario)
    return [
        f"{toggle.hotkey} {inert(setting(toggle.key, settings[toggle.key]))}".strip()
        for toggle in toggles.of(scenario)
        if toggle.key in settings
    ]


def _refused(scenario: Scenario) -> str:
    """Every toggle that does not apply, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for toggle in toggles.of(scenario):
        if reason := toggle.applies(scenario):
            brief = reason.partition(";")[0].removeprefix(f"{spoken(scenario.model)} has ").removesuffix(" here")  # the heading says so
            reasons.setdefault(brief, []).append(toggle.key)
    return "; ".join(f"{', '.join(keys)}: {inert(reason)}" for reason, keys in reasons.items())


def _packed(items: Iterable[str]) -> list[str]:
    """The items in rows that fit beside a heading, two spaces between them."""
    rows: list[str] = []
    for item in items:
        if rows and len(rows[-1]) + 2 + len(item) <= WIDTH - MARGIN:
            rows[-1] += f"  {item}"
        else:
            rows.append(item)
    return rows


def _wrapped(head: str, text: str) -> list[str]:
    """`text` beside its heading; nothing for an empty one."""
    return _beside(head, textwrap.wrap(inert(text), WIDTH - MARGIN, break_on_hyphens=False))


def _continued(command: str) -> list[str]:
    """A command that can be copied though it is longer than a row; a flag stays with its value."""
    held = re.sub(r"(--at|--set) ", "\\1\0", command)
    rows = textwrap.wrap(held, WIDTH - MARGIN - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [f"{row} \\".replace("\0", " ") for row in rows[:-1]] + [rows[-1].replace("\0", " ")]


def _beside(head: str, rows: Iterable[str]) -> list[str]:
    return [f"{'' if index else head:<{MARGIN}}{row}" for index, row in enumerate(rows)]
