"""The line under a replay: how fast it goes, where in the recording it stands, and where something was changed."""

from __future__ import annotations

from gradtui.ui.lines import Row
from gradtui.ui.player import Player

NARROWEST = 8
"""Cells of a track that says something."""

KEYS = "  ← → seek  g step  + - speed"
"""Shown where there is room."""
WIDE = 100


def row(player: Player, width: int) -> Row:
    """The line in `width` cells; the track takes what the words leave."""
    clock, count = player.clock, len(player.index)
    speed = f" ×{clock.speed:g} "
    words = f" frame {min(clock.at + 1, count):,}/{count:,}"
    judging = "" if player.rewind.done else f"  judging {player.rewind.share:.0%}"
    keys = KEYS if width >= WIDE else ""
    room = width - len(speed) - len(words) - len(judging) - len(keys) - 2
    track = _track(player, room) if room >= NARROWEST and count else ()
    return ((speed, "strong" if clock.playing else "muted"), (" ", ""), *track, (words, "strong"), (judging, "muted"), (keys, "muted"))


def _track(player: Player, width: int) -> Row:
    """What has been played, the rest, and a stroke where a toggle was answered or an attempt began."""
    last = max(1, player.clock.last)
    here = player.clock.at * (width - 1) // last
    marks = {min(frame, last) * (width - 1) // last for frame in player.changes}
    cells = [("│", "mark") if x in marks else ("━", "bar") if x < here else ("─", "muted") for x in range(width)]
    cells[here] = ("█", "strong")
    return tuple(cells)
