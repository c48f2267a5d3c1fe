"""Textual's palette, which ended the program when a page was asked for before its list had been laid out: on a slow line it is."""

from __future__ import annotations

import contextlib

from textual.command import CommandPalette

ID = "--command-palette"
"""By which Textual knows that it is open."""


class Palette(CommandPalette):
    """Everything that can be done, in a list to search."""

    def _action_command_list(self, action: str) -> None:
        with contextlib.suppress(LookupError):
            super()._action_command_list(action)
