"""Settings of toggles: checked, resolved for a scenario, parsed from `--set` and `--at`, offered to viewers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from gradtui.lab.declaration import Declaration
from gradtui.lab.declarations import TOGGLES
from gradtui.lab.errors import SettingError
from gradtui.stream.events import Toggle, Value

if TYPE_CHECKING:
    from gradtui.lab.scenario import Scenario


class Scheduled(Struct, frozen=True):
    """A setting that comes into force before step `step`."""

    step: int
    key: str
    value: Value


STEP_DIGITS = 15
"""Of a step's number: one of more is no step that a training comes to, and not exact in JSON."""

BY_KEY: Mapping[str, Declaration] = {declaration.key: declaration for declaration in TOGGLES}


def declared(key: str) -> Declaration:
    """The toggle called `key`. Raises SettingError with the nearest name."""
    if key in BY_KEY:
        return BY_KEY[key]
    near = difflib.get_close_matches(key, BY_KEY, n=1)
    raise SettingError(f"{key}: no such toggle; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_KEY)}"))


def of(scenario: Scenario) -> list[Declaration]:
    """Every toggle as `scenario` has it, those that do not apply included."""
    return [toggle.adapt(toggle, scenario) for toggle in TOGGLES]


def check(scenario: Scenario, key: str, value: Value) -> Value:
    """`value` as the toggle keeps it. Raises SettingError for an unknown key, a wrong value, or a toggle that does not apply."""
    toggle = declared(key)
    toggle = toggle.adapt(toggle, scenario)
    if reason := toggle.applies(scenario):
        raise SettingError(f"{key}: does not apply to {scenario.name or 'this scenario'}: {reason}")
    return toggle.check(value)


def initial(scenario: Scenario, changes: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Every toggle that applies to `scenario`, with the value it starts with. Raises SettingError."""
    settings = {toggle.key: toggle.default for toggle in of(scenario) if not toggle.applies(scenario)}
    for key, value in (scenario.settings | dict(changes or {})).items():
        settings[key] = check(scenario, key, value)
    return settings


def offered(scenario: Scenario, settings: Mapping[str, Value]) -> list[Toggle]:
    """The toggles as `hello` carries them: those that do not apply come with the reason."""
    return [_offer(toggle, toggle.applies(scenario), settings) for toggle in of(scenario)]


def _offer(toggle: Declaration, reason: str, settings: Mapping[str, Value]) -> Toggle:
    number = not toggle.choices
    return Toggle(
        key=toggle.key,
        label=toggle.label,
        kind="number" if number else "choice",
        value=settings.get(toggle.key, toggle.default),
        choices=list(toggle.choices),
        minimum=toggle.minimum if number else None,
        maximum=toggle.maximum if number and math.isfinite(toggle.maximum) else None,
        hotkey=toggle.hotkey,
        live=toggle.live,
        applies=not reason,
        reason=reason,
    )


def parse_setting(scenario: Scenario, text: str) -> tuple[str, Value]:
    """`KEY=VALUE` as `--set` takes it. Raises SettingError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise SettingError(f"{text!r}; it is KEY=VALUE, as in batch_norm=on")
    return key.strip(), check(scenario, key.strip(), value.strip())


def parse_scheduled(scenario: Scenario, text: str) -> Scheduled:
    """`STEP:KEY=VALUE` as `--at` takes it. Raises SettingError."""
    step, colon, setting = text.partition(":")
    if not colon or not step.strip().isdecimal() or len(step) > STEP_DIGITS:
        raise SettingError(f"{text!r}; it is STEP:KEY=VALUE, as in 200:batch_norm=on")
    key, value = parse_setting(scenario, setting)
    return Scheduled(int(step), key, value)
