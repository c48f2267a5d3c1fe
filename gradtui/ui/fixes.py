"""What the open warnings suggest: in words beside each, and as settings that one key puts in force.

Words and key come from one place, so that what the words promise is what the key does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import SEVERITIES, Try, Warning
from gradtui.diagnose.words import inert, label
from gradtui.stream.events import Value
from gradtui.ui.life import watched
from gradtui.ui.scale import setting

KEY = "F"
"""The key that puts a suggestion in force."""


@dataclass(frozen=True)
class Fix:
    """What a warning suggests, as far as it is not in force yet; toggles that belong together are set together."""

    settings: Mapping[str, Value]
    words: str
    """`optimizer = adam and lr = 0.001`, with what else it takes."""
    codes: tuple[str, ...]
    """The warnings that suggest it."""


def worst_first(warnings: Mapping[str, Warning]) -> list[Warning]:
    """The open warnings, the most severe first; of those a plateau last, since it only follows, and otherwise the newest first."""
    newest_first = reversed(list(warnings.values()))
    return sorted(newest_first, key=lambda warning: (-SEVERITIES.index(warning.severity), warning.code == "plateau"))


def suggested(run: RunState) -> list[Fix]:
    """What the open warnings suggest first, that of the worst warning first, each once."""
    found: dict[str, Fix] = {}
    for warning in worst_first(run.open):
        fix = None if _restart_is_due(warning, run) else _first(warning, run)
        if fix:
            codes = found[fix.words].codes if fix.words in found else ()
            found[fix.words] = Fix(fix.settings, fix.words, (*codes, warning.code))
    return list(found.values())


def about(fix: Fix) -> str:
    """The fix in a line: what it sets, and for which warnings."""
    return f"{fix.words}   for {', '.join(map(label, fix.codes))}"


def advice(warning: Warning, run: RunState, *, changeable: bool) -> str:
    """The first thing to try that has not been done since the warning opened, with its key; or what it would have been."""
    if changeable and _restart_is_due(warning, run):
        return "Now restart." if watched(run.hello) else "Now press r to restart."
    fix = _first(warning, run)
    if fix is None:
        return ""
    if not changeable:
        return f"{told(fix.settings, run)} would have been the one to try."
    return f"Press {KEY} {'for' if len(suggested(run)) == 1 else 'to choose'} {fix.words}."


def told(settings: Mapping[str, Value], run: RunState) -> str:
    """Settings in the toggles' own words: `optimizer = adam and lr = 0.001`."""
    labels = {toggle.key: toggle.label for toggle in (run.hello.toggles if run.hello else [])}
    return " and ".join(f"{inert(labels.get(key, key))} = {inert(setting(value))}" for key, value in settings.items())


def _restart_is_due(warning: Warning, run: RunState) -> bool:
    """What helps from a restart on only has been set: nothing else is worth doing. Weights that are not finite no toggle mends."""
    return any(fix.after_restart or "non-finite" in run.open for fix in warning.try_ if not _unset(fix, run))


def _first(warning: Warning, run: RunState) -> Fix | None:
    left = [] if warning.mitigated else _left(warning, run)
    if not left:
        return None
    settings = _unset(left[0], run)
    then = f", then {'restart' if watched(run.hello) else 'r'}" if "non-finite" in run.open or left[0].after_restart else ""
    return Fix(settings, told(settings, run) + then, (warning.code,))


def _left(warning: Warning, run: RunState) -> list[Try]:
    return [fix for fix in warning.try_ if _unset(fix, run)]


def _unset(fix: Try, run: RunState) -> dict[str, Value]:
    """What of a fix is not in force yet."""
    return {key: value for key, value in fix.settings.items() if run.settings.get(key) != value}
