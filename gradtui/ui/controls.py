"""What a person asked of the trainer and what it answered: commands go out, `applied` events come back."""

from __future__ import annotations

from collections.abc import Mapping

from gradtui.diagnose.words import inert
from gradtui.stream import commands
from gradtui.stream.events import Applied, Value
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.scale import setting


class Controls:
    """The commands sent to one run that are not answered yet, and the refusals that still matter."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._sent: dict[str, set[str]] = {}
        """The toggles' keys that are not answered yet, by the id of the command that sets them."""
        self.pending: dict[str, Value] = {}
        """Values asked for and not in force yet, by toggle key."""
        self.refused: dict[str, str] = {}
        """Reasons, by toggle key, until the toggle is asked for again."""

    def set(self, settings: Mapping[str, Value]) -> str:
        """Ask for values by one command, so that no step is taken between them; returns what went wrong (empty: nothing)."""
        try:
            sent = commands.send(self._run.commands, set=dict(settings))
        except OSError as error:
            return f"{self._run.commands}: cannot be written: {error.strerror}"
        self._sent[sent] = set(settings)
        self.plan(settings)
        return ""

    def plan(self, settings: Mapping[str, Value]) -> None:
        """Keep values for the next start."""
        self.pending.update(settings)
        for key in settings:
            self.refused.pop(key, None)

    def do(self, verb: str) -> str:
        """Send a verb; returns what went wrong (empty: nothing)."""
        try:
            commands.send(self._run.commands, do=verb)
        except OSError as error:
            return f"{self._run.commands}: cannot be written: {error.strerror}"
        return ""

    def forget(self) -> None:
        """A new attempt begins with every value in force."""
        self._sent.clear()
        self.pending.clear()
        self.refused.clear()

    def answer(self, applied: Applied, label: str = "") -> tuple[str, str]:
        """Take an answer in; what to tell about it and how severely, empty when the panel says enough. `label`: the toggle's own words."""
        name = label or applied.toggle
        if applied.toggle in (unanswered := self._sent.get(applied.id, set())):
            unanswered.discard(applied.toggle)
            if not any(applied.toggle in keys for keys in self._sent.values()):
                self.pending.pop(applied.toggle, None)
            if not unanswered:
                del self._sent[applied.id]
        if applied.reason:
            self.refused[applied.toggle] = applied.reason
            return f"{inert(name)} refused: {inert(applied.reason)}", "warning"
        if applied.note:
            value = "" if applied.value is None else f" = {setting(applied.value)}"
            return inert(f"{name}{value}: {applied.note}"), "information"
        return "", ""
