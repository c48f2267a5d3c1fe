"""`gradtui report` and `gradtui compare`: recordings read to their end, and what they tell on standard output or in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from gradtui import comparison_text, exits, report_html, report_text
from gradtui.diagnose.comparison import Side, compare
from gradtui.diagnose.postmortem import Examination
from gradtui.stream.events import encode
from gradtui.stream.follower import CHUNK, Follower
from gradtui.stream.run_directory import RunDirectory, find

Taker = TypeVar("Taker", Examination, Side)


def report(run: str | None, html: str | None, json: bool) -> str:
    """What `gradtui report` prints: nothing when a file was written. Raises NoSuchRunError and OSError."""
    if html and json:
        raise click.UsageError("--html and --json exclude each other: the report is printed once")
    where = find(run)
    found = examine(where, Examination).report()
    if json:
        return encode(found).decode()
    if html is None:
        return report_text.text(found)
    page = report_html.page(found)
    if html == "-":
        return page
    with exits.naming(html):
        Path(html).write_text(page, encoding="utf-8")
    click.echo(f"written to {html}", err=True)
    return ""


def show_comparison(first: str, second: str, by: float, in_text: bool, json: bool) -> int:
    """`gradtui compare`: the screen, if a terminal would read the text and can show one; returns the exit code. Raises NoSuchRunError.

    In a pipe or a file it prints, with or without `--headless`: what is read there is data, whatever else is a terminal.
    """
    from gradtui import cli_screen

    if not (in_text or json) and sys.stdout.isatty() and not cli_screen.refusal():
        return cli_screen.compare(find(first), find(second), by)
    text = comparison(first, second, by, json)
    click.echo(text.encode() if json else text, nl=False)
    return 0


def comparison(first: str, second: str, by: float, json: bool) -> str:
    """What `gradtui compare` prints. Raises NoSuchRunError."""
    found = compare(examine(find(first), Side), examine(find(second), Side), by)
    return encode(found).decode() if json else comparison_text.text(found)


def examine(run: RunDirectory, make: Callable[[], Taker]) -> Taker:
    """Every event of the run so far taken in, from its beginning again if the recording was thinned meanwhile.

    What could not be read of it is said on standard error.
    """
    follower = Follower(run.events)
    taker = make()
    while True:
        batch = follower.poll(CHUNK)
        if batch.rewound:
            taker = make()
        for event in batch.events:
            taker.take(event)
        if not batch.more:
            break
    if told := follower.lines.told(run.events):
        exits.complain(told)
    return taker
