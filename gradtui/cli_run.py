"""`gradtui run` and `gradtui attach`: from flags to a Spec, and on to a screen or to standard output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradtui import exits, launch, script
from gradtui.diagnose.unjudged import needs, too_few, unjudged
from gradtui.lab import toggles
from gradtui.lab.scenario import Scenario, load
from gradtui.lab.spec import Spec
from gradtui.script import Change, Script
from gradtui.stream import run_directory

if TYPE_CHECKING:
    from gradtui.headless import Printer, Watch

SCREEN_RATE = 10.0
"""Frames a second, on the screen."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What `gradtui run` was told."""

    scenario: str
    steps: int | None = None
    seed: int | None = None
    device: str = "auto"
    set: Sequence[str] = ()
    at: Sequence[str] = ()
    script: Path | None = None
    rate: float | None = None
    every: int | None = None
    pace: float | None = None
    run_dir: Path | None = None
    detach: bool = False
    headless: bool = False
    json: bool = False
    fail_on: Sequence[str] = ()

    @property
    def screen(self) -> bool:
        return not (self.headless or self.detach)


def run(flags: Flags) -> int:
    """`gradtui run`; returns the exit code."""
    _check_combination(flags)
    scenario = load(flags.scenario)
    steps = script.read(flags.script, scenario) if flags.script else Script()
    if steps.expectations and not flags.headless:
        raise click.UsageError(f"{flags.script}: expectations are for --headless; add it, or leave them out")
    spec = make_spec(flags, scenario, steps)
    if flags.screen:
        from gradtui import cli_screen

        return cli_screen.run(spec, flags.run_dir)
    where = run_directory.create(spec.name, flags.run_dir)
    if flags.detach:
        launch.start(spec, where)
        click.echo(os.fspath(where.path.absolute()))
        return 0
    click.echo(f"recording in {where.path}", err=True)
    from gradtui import headless

    watch, code = headless.train(spec, where, printer(flags.json))
    return code or _judge(watch, flags.fail_on, steps)


def attach(run: str | None, in_text: bool, json: bool) -> int:
    """`gradtui attach`; returns the exit code."""
    if json and not in_text:
        raise click.UsageError("--json is for --headless; add it")
    where = run_directory.find(run)
    if in_text:
        from gradtui import headless

        return headless.attach(where, printer(json))[1]
    from gradtui import cli_screen

    return cli_screen.attach(where)


def make_spec(flags: Flags, scenario: Scenario, told: Script | None = None) -> Spec:
    """The training that the flags ask for. Raises SettingError.

    The screen goes on until somebody leaves, at a pace that an eye can follow and with frames by the clock; without one
    a run is as long as its scenario says, as fast as it goes, with frames by the step, so that it can be repeated.
    """
    steps = flags.steps or (None if flags.screen else scenario.steps)
    pace = flags.pace if flags.pace is not None else scenario.pace if flags.screen else 0.0
    rate = flags.rate or (SCREEN_RATE if flags.screen and not flags.every else None)
    told = told or Script()
    changes = [*(Change("--at", toggles.parse_scheduled(scenario, text)) for text in flags.at), *told.schedule]
    for change in changes:
        scheduled = change.scheduled
        if steps is not None and scheduled.step >= steps:
            what = f"{scheduled.step}:{scheduled.key}={scheduled.value}"
            raise click.UsageError(f"{change.where}: {what}: comes too late, the last step of {steps} is {steps - 1}")
    return Spec(
        name=scenario.name,
        scenario=scenario,
        settings=toggles.initial(scenario, {"pace": pace} | dict(toggles.parse_setting(scenario, text) for text in flags.set)),
        schedule=[change.scheduled for change in changes],
        seed=scenario.seed if flags.seed is None else flags.seed,
        device=flags.device,
        steps=steps,
        every=None if rate else flags.every or scenario.every,
        rate=rate,
        lifeline=not flags.detach,
    )


def _check_combination(flags: Flags) -> None:
    if flags.rate and flags.every:
        raise click.UsageError("--rate and --every exclude each other: frames come by the clock or by the step")
    if flags.detach and flags.headless:
        raise click.UsageError("--detach and --headless exclude each other: a detached run is printed with gradtui attach --headless")
    for given, name in ((flags.json, "--json"), (flags.fail_on, "--fail-on")):
        if given and not flags.headless:
            raise click.UsageError(f"{name} is for --headless; add it")
    for code in flags.fail_on:
        if code not in (*script.CODES, "any"):
            raise click.UsageError(f"--fail-on {code}: no such warning; it is any, or one of {', '.join(script.CODES)}")


def printer(json: bool) -> Printer:
    """How a run is printed."""
    from gradtui.headless import JsonLines, Text

    return JsonLines() if json else Text()


def _judge(watch: Watch, fail_on: Sequence[str], steps: Script) -> int:
    """Exit code 1, and why on standard error, if a warning was open that must not be, an expectation failed or a scheduled change was
    refused: what was asked for was not what was trained."""
    asked = script.CODES if "any" in fail_on else fail_on
    found = [edge for edge in watch.edges if edge.state == "opened" and edge.code in asked]
    silent = [rule for rule in unjudged(watch.state) if rule.code in asked and rule.code not in watch.seen]
    if few := [rule for rule in silent if rule.why == "too-few"]:
        seen = too_few(watch.state.frames, watch.state.steps)
        exits.complain(f"{seen} to judge {', '.join(map(needs, few))}: that it was not open says nothing")
    if blind := [rule.code for rule in silent if rule.why == "not-measured" and rule.code in fail_on]:
        exits.complain(
            f"no frame held what {', '.join(blind)} {'are' if len(blind) > 1 else 'is'} judged by: that it was not open says nothing"
        )
    reasons = [f"{edge.code} was open from step {edge.step}: {edge.evidence.sentence}" for edge in found]
    reasons += watch.refused
    frame = watch.state.frame
    reasons += script.failures(steps.expectations, watch.edges, frame.step if frame else -1)
    for reason in reasons:
        exits.complain(reason)
    return exits.FAILED if reasons else 0
