"""The page behind each warning: what it means, its cause and formula, when it opens, how often it is wrong, what helps and what does not.

Pages are data, one TOML file a code, so that the command line and the screen say the same. Scores in them are
(accuracy - chance) / (1 - chance) at the end of short trainings, mean of three seeds.
"""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from gradtui.diagnose.rules import RULES
from gradtui.diagnose.words import label

CODES = tuple(rule.code for rule in RULES)
WIDTH = 80
MARGIN = 9
"""Characters of the column that holds the headings."""

_PAGES = Path(__file__).parent / "pages"


class Page(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What there is to say about one warning."""

    code: str
    means: str
    cause: str
    formula: str
    opens: str
    closes: str
    rates: str
    """Sick runs found and healthy ones flagged, as measured."""
    helps: str
    in_vain: str
    without: str
    """What it can still tell where something was not measured."""
    paper: str


def load(code: str) -> Page:
    """The page of one of CODES."""
    fields = tomllib.loads((_PAGES / f"{code}.toml").read_text(encoding="utf-8"))
    return msgspec.convert(fields | {"code": code}, Page)


def lines(page: Page, width: int = WIDTH) -> list[str]:
    """The page as text; 24 lines at most in 80 columns."""
    parts = {
        "Means": page.means,
        "Cause": page.cause,
        "Formula": page.formula,
        "Opens": page.opens,
        "Closes": page.closes,
        "Rates": page.rates,
        "Helps": page.helps,
        "In vain": page.in_vain,
        "Without": page.without,
        "Paper": page.paper,
    }
    heading = f"{label(page.code)} · rates of short trainings, a frame every 5 steps"
    return [*textwrap.wrap(heading, width), *(line for head, text in parts.items() for line in _beside(head, text, width))]


def _beside(head: str, text: str, width: int) -> list[str]:
    rows = textwrap.wrap(text, max(width - MARGIN, MARGIN), break_on_hyphens=False)
    return [f"{'' if index else head:<{MARGIN}}{row}" for index, row in enumerate(rows)]
