"""`gradtui explain`: the page behind a warning, or the list of them, as text or as lines of JSON."""

from __future__ import annotations

import difflib
import textwrap

import click
import msgspec

from gradtui.diagnose import page
from gradtui.diagnose.rules import RULES
from gradtui.diagnose.words import inert


def run(code: str | None, json: bool) -> str:
    """What `gradtui explain` prints. Raises click.UsageError for a code that there is not."""
    if code is not None and code not in page.CODES:
        near = difflib.get_close_matches(code, page.CODES, 1, 0.4)
        raise click.UsageError(f"{inert(code)}: no such warning; {f'did you mean {near[0]}? ' if near else ''}gradtui explain lists them")
    codes = page.CODES if code is None else (code,)
    if json:
        return "".join(_json(each) for each in codes)
    if code is not None:
        return "\n".join(page.lines(page.load(code))) + "\n"
    widest = max(map(len, codes))
    room = page.WIDTH - widest - 2
    return "".join(f"{each:<{widest}}  {textwrap.shorten(page.load(each).means, room, placeholder=' …')}\n" for each in codes)


def _json(code: str) -> str:
    rule = next(rule for rule in RULES if rule.code == code)
    levels = [{"severity": level.severity, "frames": level.records, "steps": level.steps} for level in rule.levels]
    extra = {"levels": levels, "latched": rule.close is None}
    return msgspec.json.encode(msgspec.to_builtins(page.load(code)) | extra).decode() + "\n"
