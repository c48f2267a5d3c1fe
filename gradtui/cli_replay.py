"""`gradtui replay`: a recording by the clock, on the screen of a run that trains; or printed as the run itself was."""

from __future__ import annotations

import click

from gradtui.stream.run_directory import find


def run(name: str, in_text: bool, json: bool) -> int:
    """`gradtui replay`; returns the exit code. Raises NoSuchRunError, and OSError for a recording that cannot be read."""
    if json and not in_text:
        raise click.UsageError("--json is for --headless; add it")
    where = find(name)
    if in_text:
        from gradtui import headless
        from gradtui.cli_run import printer

        return headless.replay(where, printer(json))[1]
    from gradtui import cli_screen

    return cli_screen.replay(where)
