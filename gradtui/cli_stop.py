"""`gradtui stop`: the end of a training of the lab that goes on without a viewer, which leaving an attached screen does not end."""

from __future__ import annotations

import time

import click

from gradtui import exits
from gradtui.listing import Recorded, recorded
from gradtui.stream import commands, run_directory

PATIENCE = 60.0
"""Seconds that a trainer has to answer: it may be importing torch, or be in a long step."""
NAP = 0.05


def run(name: str) -> int:
    """Ask the run's trainer to stop and wait until it has; returns the exit code. Raises RunError, and OSError where no command can
    be written."""
    found = run_directory.find(name)
    known = recorded(found)
    if known.watched:
        raise click.UsageError(f"{known.run}: a training of somebody's own, which no viewer stops; end it where it was started")
    if _over(known):
        raise click.UsageError(f"{known.run}: there is nothing to stop, its state is {known.state}")
    with exits.naming(found.commands):
        commands.send(found.commands, do="stop")
    for _ in range(round(PATIENCE / NAP)):
        known = recorded(found)
        if _over(known):
            click.echo(f"{known.run}: {known.state}{'' if known.step is None else f' at step {known.step}'}", err=True)
            return 0
        time.sleep(NAP)
    exits.complain(f"{known.run}: its trainer has not answered within {PATIENCE:.0f} s; it is told, and stops when it looks")
    return exits.FAILED


def _over(known: Recorded) -> bool:
    return known.state not in ("running", "starting", "silent")
