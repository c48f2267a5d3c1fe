"""What a toggle is: its values, where it applies, and how it is applied. Imports no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradtui.lab.errors import SettingError
from gradtui.lab.families import is_own, spoken
from gradtui.stream.events import Value

if TYPE_CHECKING:
    from gradtui.lab.learner import Learner
    from gradtui.lab.scenario import Scenario

Settings = Mapping[str, Value]
"""The toggles as they stand."""


def everywhere(_: Scenario) -> str:
    """For toggles that apply to every scenario."""
    return ""


def by_the_step(_: Learner, __: Settings) -> str:
    """For toggles that every update reads afresh."""
    return ""


def waits_for(where: str, in_force: Callable[[Settings], bool]) -> Callable[[Learner, Settings], str]:
    """For toggles that every update reads afresh, and that do nothing but under another's setting, `where`: they say so."""

    def apply(_: Learner, settings: Settings) -> str:
        return "" if in_force(settings) else f"in force with {where}"

    return apply


OWN_NORMS = "a network of your own keeps its normalisations; norm_bypass lets them pass"
"""Why those of the lab's families are not put into it: it may well have some."""


def needs(families: set[str], why: str, own: str = "") -> Callable[[Scenario], str]:
    """For toggles of some families; `why` is for the others, `{model}` in it theirs with its article; `own` for a user's network."""

    def applies(scenario: Scenario) -> str:
        if own and is_own(scenario.model):
            return own
        return "" if scenario.model in families else why.format(model=spoken(scenario.model))

    return applies


@dataclass(frozen=True)
class Declaration:
    """One toggle. A choice has `choices`; a number has `minimum` and `maximum`."""

    key: str
    label: str
    about: str
    default: Value
    choices: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = math.inf
    whole: bool = False
    hotkey: str = ""
    live: bool = True
    """False: it shapes the network or the data, so it takes effect at a restart."""
    applies: Callable[[Scenario], str] = everywhere
    """The reason why it does not apply to a scenario; empty: it does."""
    apply: Callable[[Learner, Settings], str] = by_the_step
    """Brings the setting, already in `settings`, into force between two steps; returns what a person should know of how.
    Raises SettingError where the network turns out to have nothing to change."""
    require: Callable[[Value], None] = lambda _: None
    """Raises SettingError where a sound value cannot be had on this machine."""
    adapt: Callable[[Declaration, Scenario], Declaration] = lambda toggle, _: toggle
    """The toggle as one scenario has it: a network's own values are choices of that network only."""

    def check(self, value: Value) -> Value:
        """`value` as this toggle keeps it. Raises SettingError."""
        kept = self._check_choice(value) if self.choices else self._check_number(value)
        self.require(kept)
        return kept

    def _check_choice(self, value: Value) -> str:
        spelled = {"true": "on", "false": "off"}.get(str(value).lower(), str(value))
        if spelled in self.choices:
            return spelled
        near = difflib.get_close_matches(spelled, self.choices, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SettingError(f"{self.key} is {_shown(value)}; {hint}it is one of {', '.join(self.choices)}")

    def _check_number(self, value: Value) -> int | float:
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):  # a whole number of hundreds of digits is no float
            number = math.nan
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum or (self.whole and number != int(number)):
            raise SettingError(f"{self.key} is {_shown(value)}; it is {self.range}")
        return int(number) if self.whole else number

    @property
    def range(self) -> str:
        """What the toggle takes, in words."""
        if self.choices:
            return " | ".join(self.choices)
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum:g}" + (f" to {self.maximum:g}" if math.isfinite(self.maximum) else " up")


def _shown(value: Value) -> str:
    """As TOML spells it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)
