"""The process around a command: standard streams that may be closed or read by nobody, and errors that become a line and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

import click

from gradtui import exits


class Commands(click.Group):
    """A group whose commands end quietly when nobody reads their output any more."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **more)  # the group's own --help and --version are printed here
        except BrokenPipeError:
            exits.silence_stdout()
            raise click.exceptions.Exit(exits.BROKEN_PIPE) from None

    def invoke(self, context: click.Context) -> Any:
        try:
            code = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            code = exits.BROKEN_PIPE
        if code == exits.BROKEN_PIPE:
            exits.silence_stdout()
        return code


def open_streams() -> None:
    """Give standard streams that whoever started us has closed (`>&-`) to nobody: Python has None for them, and the next file opened
    would get their numbers, here or in a process that we start."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that is not UTF-8 gets question marks, not a traceback


def run(command: click.Command) -> int:
    """Run the command line; whatever a user can cause becomes one line on standard error. Returns the exit code."""
    try:
        code = command.main(prog_name="gradtui", standalone_mode=False)
    except click.ClickException as error:
        exits.complain(error.format_message().replace("\n\t", " "))
        return error.exit_code
    except click.Abort:
        return exits.SIGNALLED + signal.SIGINT
    except exits.Interrupted as interrupted:
        return interrupted.code
    except Exception as error:
        known = exits.code_of(error)
        if known is None:
            raise
        exits.complain(exits.explain(error))
        return known
    return code if isinstance(code, int) else 0
