"""`gradtui explain`: the page behind a warning, or the list of them, as text or as lines of JSON."""

from __future__ import annotations

import difflib
import textwrap

import click
import msgspec

from gradtui.diagnose import page
from gradtui.diagnose.rules import RULES
from gradtui.diagnose.words import inert


def run(name: str | None, json: bool) -> str:
    """What `gradtui explain` prints. Raises click.UsageError for a warning that there is not."""
    code = None if name is None else _code(name)
    codes = page.CODES if code is None else (code,)
    if json:
        return "".join(_json(each) for each in codes)
    if code is not None:
        return "\n".join(page.lines(page.load(code))) + "\n"
    widest = max(map(len, codes))
    room = page.WIDTH - widest - 2
    return "".join(f"{each:<{widest}}  {textwrap.shorten(page.load(each).means, room, placeholder=' …')}\n" for each in codes)


def _code(name: str) -> str:
    """The code of the warning that is called so, as lines of JSON have it or as text shows it: `UPDATE TOO SMALL`."""
    code = name.lower().replace(" ", "-")
    if code in page.CODES:
        return code
    near = difflib.get_close_matches(code, page.CODES, 1, 0.4)
    raise click.UsageError(f"{inert(name)}: no such warning; {f'did you mean {near[0]}? ' if near else ''}gradtui explain lists them")


def _json(code: str) -> str:
    rule = next(rule for rule in RULES if rule.code == code)
    levels = [{"severity": level.severity, "frames": level.records, "steps": level.steps} for level in rule.levels]
    extra = {"levels": levels, "latched": rule.close is None}
    return msgspec.json.encode(msgspec.to_builtins(page.load(code)) | extra).decode() + "\n"
