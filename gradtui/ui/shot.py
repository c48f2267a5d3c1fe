"""A picture of the screen as it is: an SVG to show, and plain text to read where an SVG cannot be opened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from textual.app import App
from textual.screen import Screen


def screen_text(screen: Screen[Any]) -> str:
    """The characters on the screen, a line each, without trailing spaces."""
    # Textual has no public way to read its own cells; export_screenshot goes through the same compositor.
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips()) + "\n"


def save(app: App[Any], name: str) -> Path:
    """Write `name` with the time as .svg and .txt into the working directory; returns the SVG's path. Raises OSError."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    svg = Path.cwd() / f"{stem}.svg"
    svg.write_text(app.export_screenshot(), encoding="utf-8")
    svg.with_suffix(".txt").write_text(screen_text(app.screen), encoding="utf-8")
    return svg
