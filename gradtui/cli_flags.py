"""Flags that several commands take, each said once: of whatever opens a screen, of whatever can print instead, and of whatever trains."""

from __future__ import annotations

from collections.abc import Callable

import click


def _remember(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        context.meta[f"gradtui.{option.name}"] = True


def screen(command: Callable[..., int]) -> Callable[..., int]:
    """Flags of whatever opens a screen, remembered for it: they may stand before the command's name or after."""
    ascii = click.option("--ascii", is_flag=True, callback=_remember, expose_value=False, help="Draw with ASCII characters only.")
    mouse = click.option("--no-mouse", is_flag=True, callback=_remember, expose_value=False, help="Leave the mouse to the terminal.")
    return ascii(mouse(command))


def headless(command: Callable[..., int]) -> Callable[..., int]:
    """Flags of whatever prints a run."""
    print = click.option("--headless", is_flag=True, help="Print instead of drawing a screen.")
    json = click.option("--json", is_flag=True, help="With --headless: every event and warning as a line of JSON.")
    return print(json(command))


device = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="auto: the first GPU, if there is one."
)
