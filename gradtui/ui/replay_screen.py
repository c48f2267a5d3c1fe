"""The screen over a recording: a run's screen that is fed by a clock, with keys for the clock and none for the trainer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gradtui.ui import life as lives
from gradtui.ui import replay_bar
from gradtui.ui.life import Life
from gradtui.ui.lines import Lines
from gradtui.ui.player import Player
from gradtui.ui.prompt import Prompt
from gradtui.ui.run_screen import RunScreen
from gradtui.ui.watched import Watched

PART = 20
"""Arrow keys move by this part of the recording."""

WHY_NOT = "this is a recording: nothing in it can be changed; gradtui run trains anew"

_LOOKING = ("run.measure", "run.measure.back", "run.filter", "run.log", "run.doctor", "run.explain")
"""Those of a run's bindings that a recording has too."""


class ReplayScreen(RunScreen):
    """One recording."""

    REFUSAL = WHY_NOT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", id="replay.play", tooltip="Play, or pause; at the end: play from the beginning."),
        Binding("full_stop", "frame(1)", "Frame", id="replay.next", tooltip="The next frame, and stay there."),
        Binding("comma", "frame(-1)", "Back", id="replay.previous", tooltip="The frame before, and stay there."),
        Binding("right", "seek(1)", "On", id="replay.on", show=False, priority=True, tooltip="A twentieth of the recording on."),
        Binding("left", "seek(-1)", "Back", id="replay.back", show=False, priority=True, tooltip="A twentieth of the recording back."),
        Binding("home", "seek(-1000)", "First", id="replay.first", show=False, priority=True, tooltip="The first frame."),
        Binding("end", "seek(1000)", "Last", id="replay.last", show=False, priority=True, tooltip="The last frame."),
        Binding("g", "go", "Go to step", id="replay.go", show=False, priority=True, tooltip="Go to a step of this attempt, by its number."),
        Binding(
            "plus,equals_sign", "speed(1)", "Faster", id="replay.faster", show=False, priority=True, tooltip="Twice as fast, up to ×64."
        ),
        Binding("minus", "speed(-1)", "Slower", id="replay.slower", priority=True, show=False, tooltip="Half as fast, down to ×½."),
        *(binding for binding in RunScreen.BINDINGS if isinstance(binding, Binding) and binding.id in _LOOKING),
    ]

    def __init__(self, watched: Watched, player: Player, *, ascii: bool = False) -> None:
        super().__init__(watched, ascii=ascii)
        self.player = player
        self._bar = Lines(id="replay")

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self._bar

    def look(self) -> None:
        super().look()
        self._bar.put([replay_bar.row(self.player, self._bar.size.width)])

    def living(self) -> Life:
        player = self.player
        if player.glimpse:
            return Life("JUDGING", f"{player.rewind.share:.0%}")
        if player.clock.playing:
            return Life("PLAY")
        recorded = lives.life(player.state, None, 0.0)
        return recorded if player.clock.at_end and recorded.over else Life("PAUSED")

    @property
    def changeable(self) -> bool:
        return False

    def _begin(self) -> None:
        super()._begin()
        self._gpu = None  # what the GPU does now has nothing to do with what was recorded

    def word(self, binding: Binding) -> str:
        return "Pause" if binding.id == "replay.play" and self.player.clock.playing else binding.description

    def why_not(self, action: str) -> str:
        return WHY_NOT if action == "restart" else super().why_not(action)

    # Keys

    def action_play(self) -> None:
        self.player.clock.play(not self.player.clock.playing)
        self.look()

    def action_frame(self, by: int) -> None:
        self.player.clock.step(by)
        self.look()

    def action_seek(self, parts: int) -> None:
        clock = self.player.clock
        clock.seek(clock.at + parts * max(1, len(self.player.index) // PART))
        self.look()

    def action_speed(self, by: int) -> None:
        self.player.clock.faster(by)
        self.look()

    def action_go(self) -> None:
        def digits(text: str) -> str:
            return text.strip().replace(",", "")  # as the screen itself writes it

        def check(text: str) -> str:
            number = digits(text)
            return "" if number.isascii() and number.isdecimal() and len(number) < 16 else "a step's number, 0 or above"

        def answered(text: str | None) -> None:
            if text is not None:
                self.player.go_to(int(digits(text)))
                self.look()

        self.app.push_screen(Prompt("Go to step", check=check), answered)
