"""What this terminal can do: pure functions over the environment, asked before the screen opens.

Textual reads keys from standard input and draws on standard error, so standard output may be a pipe; on a terminal that
knows no escape sequences it would draw all the same, and leave thousands of them behind.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

BLOCKS = "█▏░│"


def refusal(env: Mapping[str, str], *, stdin_is_terminal: bool, stderr_is_terminal: bool) -> str:
    """Why the screen cannot open here, in one line with what to do instead; empty: it can."""
    if not stdin_is_terminal:
        return "standard input is not a terminal, so no key would reach the screen; use --headless"
    if not stderr_is_terminal:
        return "standard error is not a terminal, and the screen is drawn on it; use --headless, or redirect nothing but standard output"
    if env.get("TERM") in ("dumb", "unknown"):
        return f"TERM={env['TERM']}: this terminal cannot show a screen; use --headless"
    return ""


def needs_ascii(encoding: str | None) -> bool:
    """Whether the terminal's encoding (of standard error) lacks the blocks that bars are made of."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def prepare(env: MutableMapping[str, str]) -> None:
    """Set what Textual reads at its import. An empty NO_COLOR means colours, as its own standard says."""
    if env.get("NO_COLOR") == "":
        del env["NO_COLOR"]
    env.setdefault("TEXTUAL_FPS", "60")  # not for the bars, which move at 10: a key waits for the next of these
    env.setdefault("TEXTUAL_ANIMATIONS", "none")
    env.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
