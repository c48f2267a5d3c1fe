"""The commands and their flags. Each body is a few lines that call into a room below, imported when it is needed: what
answers at once (`--version`, `--help`, completion) imports nothing but click.

Exit codes are an API: 0 finished, 1 a warning or an expectation failed, 2 usage or a bad file, 3 the trainer crashed,
4 no such scenario or run, 128 + signal.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from gradtui import __version__, cli_process, exits
from gradtui import cli_flags as flags
from gradtui import cli_types as types

SCENARIO = "SCENARIO|FILE.toml"


@click.group(
    cls=cli_process.Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exits.HELP,
)
@click.version_option(__version__, "-V", "--version", prog_name="gradtui")
@flags.screen
@click.pass_context
def cli(context: click.Context) -> int:
    """The gradient debugger that lives in a terminal.

    Without a command: pick a scenario, and watch it train.
    """
    if context.invoked_subcommand:
        return 0
    from gradtui import cli_screen

    if cli_screen.refusal():
        click.echo(context.get_usage(), err=True)
        return exits.USAGE
    return cli_screen.pick()


@cli.command()
@click.argument("scenario", metavar=SCENARIO, shell_complete=types.scenarios)
@click.option("--steps", type=types.count, metavar="N", help="Stop after N steps. Without it: on the screen go on until you leave.")
@click.option("--seed", type=types.seed, metavar="S", help="Seed of the weights and the batches.")
@flags.device
@click.option(
    "--set",
    multiple=True,
    shell_complete=types.settings,
    metavar="KEY=VALUE",
    help="A toggle's value from the start: batch_norm=on. May be repeated; gradtui show SCENARIO lists the toggles.",
)
@click.option("--at", multiple=True, metavar="STEP:KEY=VALUE", help="The same from a step on: 200:batch_norm=on.")
@click.option(
    "--script",
    type=types.path,
    shell_complete=types.files,
    metavar="FILE",
    help="Its lines are `at STEP set KEY=VALUE` and, with --headless, `expect [no] WARNING before|after STEP`.",
)
@click.option("--rate", type=types.hertz, metavar="HZ", help="Frames by the clock, as on the screen: at most 10 a second.")
@click.option("--every", type=types.count, metavar="STEPS", help="Frames by the step, as without a screen: reproducible.")
@click.option("--pace", type=types.pace, metavar="STEPS", help="Steps a second; 0: as fast as it goes, as without a screen.")
@click.option("--run-dir", type=types.path, shell_complete=types.directories, metavar="DIR", help="A new directory for the recording.")
@click.option("--detach", is_flag=True, help="Start it, print where it is recorded, and leave it running.")
@flags.headless
@click.option(
    "--fail-on",
    multiple=True,
    shell_complete=types.warnings,
    metavar="WARNING|any",
    help="With --headless: exit 1 if it opened. May be repeated; gradtui explain lists the warnings.",
)
@flags.screen
def run(**given: Any) -> int:
    """Train a scenario and watch it. It is a preset's name or a TOML file of your own."""
    from gradtui import cli_run

    return cli_run.run(cli_run.Flags(**given))


@cli.command()
@click.argument("run", shell_complete=types.runs, required=False)
@flags.headless
@flags.screen
def attach(run: str | None, headless: bool, json: bool) -> int:
    """Follow RUN: a run's name, its beginning, or its directory. The newest if none is named."""
    from gradtui import cli_run

    return cli_run.attach(run, headless, json)


@cli.command()
@click.argument("run", shell_complete=types.runs)
@flags.headless
@flags.screen
def replay(run: str, headless: bool, json: bool) -> int:
    """RUN again from its recording, by a clock. It can be paused, sought, stepped and sped up; nothing in it can be changed."""
    from gradtui import cli_replay

    return cli_replay.run(run, headless, json)


@cli.command()
@click.argument("patient", metavar=f"{SCENARIO}|RUN", shell_complete=types.patients)
@click.option("--json", is_flag=True, help="The diagnosis, each trial and the rankings as lines of JSON.")
@click.option("--seeds", type=types.seeds, default="3", show_default=True, metavar="N", help="Seeds that each fix is tried on, up to 10.")
@click.option("--steps", type=types.count, default="200", show_default=True, metavar="N", help="Steps of each trial.")
@click.option(
    "--from", "start", type=types.first_step, metavar="STEP|start", help="Try fixes from this step on, not from where the warning opened."
)
@flags.device
def doctor(patient: str, json: bool, seeds: int, steps: int, start: int | None, device: str) -> int:
    """Try every fix of a sick training, and rank them. Of a run that was restarted the last attempt is taken."""
    from gradtui import cli_doctor

    return cli_doctor.run(patient, json=json, seeds=seeds, steps=steps, start=start, device=device)


@cli.command()
@click.argument("code", metavar="[WARNING]", shell_complete=types.codes, required=False)
@click.option("--json", is_flag=True, help="One warning a line, as JSON.")
def explain(code: str | None, json: bool) -> None:
    """What WARNING means, and what helps; or the list. Why it happens, when it opens and how often it is wrong, too."""
    from gradtui import cli_explain

    _print(cli_explain.run(code, json), json)


@cli.command()
@click.argument("run", shell_complete=types.runs, required=False)
@click.option(
    "--html",
    type=types.destination,
    shell_complete=types.files,
    metavar="FILE|-",
    help="Write it as one HTML file with its charts; -: to standard output.",
)
@click.option("--json", is_flag=True, help="The report as a line of JSON.")
def report(run: str | None, html: str | None, json: bool) -> None:
    """RUN's post-mortem. What went wrong first, where, what was tried, and what followed. The newest if none is named."""
    from gradtui import cli_report

    _print(cli_report.report(run, html, json), json or html is not None)


@cli.command()
@click.argument("first", metavar="RUN", shell_complete=types.runs)
@click.argument("second", metavar="RUN", shell_complete=types.runs)
@click.option("--by", type=types.share, default=0.01, show_default=True, metavar="SHARE", help="Losses this far apart have parted.")
@click.option("--headless", is_flag=True, help="Print on a terminal, too.")
@click.option("--json", is_flag=True, help="Both reports and what is between them, as a line of JSON.")
@flags.screen
def compare(first: str, second: str, by: float, headless: bool, json: bool) -> int:
    """Two runs against each other. Where they part, settings, warnings, losses, profiles.

    On a terminal: the screen over the first one, with the second one's profile at the same step behind its bars.
    """
    from gradtui import cli_report

    return cli_report.show_comparison(first, second, by, headless, json)


@cli.command()
@click.argument("run", shell_complete=types.runs, required=False)
@click.option("--to", required=True, type=click.Choice(["csv", "parquet", "tensorboard", "svg"]))
@click.option(
    "--output",
    type=types.destination,
    shell_complete=types.directories,
    metavar="DIR|-",
    help="Where to write, instead of RUN-FORMAT here; -: one table of CSV to standard output.",
)
@click.option("--table", type=click.Choice(["layers", "frames", "changes"]), help="With --output -: which table (layers).")
def export(run: str | None, to: str, output: str | None, table: str | None) -> None:
    """RUN's recording for other tools. Up to now if it is still training; the newest if none is named.

    \b
    csv, parquet  three tidy tables, which join by attempt and step:
                  layers   a row for each frame and layer, with every number measured
                  frames   a row for each frame: loss, lr, norms, metrics
                  changes  toggles applied or refused, warnings opened and closed,
                           attempts begun and ended
    tensorboard   event files, a directory for each attempt; warnings and toggles as text
    svg           the profiles, and the curves of the last attempt

    What is not finite stays nan, inf or -inf; what was not measured is empty (CSV) or null
    (Parquet). CSV spells characters that do not print (\\n, \\x1b): a line is a row.
    DIR is new, empty, or holds nothing but exports (hidden files aside): an earlier one
    of the same format is replaced whole. A directory that holds anything else is refused.
    """
    from gradtui import cli_export

    cli_export.run(run, to, output, table)


@cli.command("list")
@click.option("--json", is_flag=True, help="One scenario a line, as JSON.")
def list_scenarios(json: bool) -> None:
    """The scenarios, and what each shows."""
    from gradtui import listing

    _print(listing.scenarios_json() if json else listing.scenarios_text(), json)


@cli.command()
@click.argument("scenario", metavar=SCENARIO, shell_complete=types.scenarios)
@click.option("--json", is_flag=True, help="The scenario whole, as JSON.")
def show(scenario: str, json: bool) -> None:
    """A scenario: what it shows, why, what to try, and its toggles."""
    from gradtui import listing

    _print(listing.scenario_json(scenario) if json else listing.scenario_text(scenario), json)


@cli.command()
@click.option("--headless", is_flag=True, help="Print the tour, with what became of each expectation, instead of drawing a screen.")
@flags.screen
def tour(headless: bool) -> int:
    """A guided tour of eight scenarios. What to look at in each, what happens and why."""
    if headless:
        from gradtui import tour as tours

        return tours.run(tours.stops())
    from gradtui import cli_screen

    return cli_screen.tour()


@cli.command()
@click.option("--json", is_flag=True, help="One run a line, as JSON.")
def runs(json: bool) -> None:
    """The recorded runs, the newest first."""
    from gradtui import listing
    from gradtui.stream import run_directory

    text = listing.runs_json() if json else listing.runs_text()
    if not text:
        click.echo(run_directory.none_yet(), err=True)
    _print(text, json)


@cli.command()
@click.argument("run", shell_complete=types.runs)
def stop(run: str) -> int:
    """End RUN, a training of the lab that was left running. Its recording stays."""
    from gradtui import cli_stop

    return cli_stop.run(run)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Shell completion: eval "$(gradtui completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "gradtui", "_GRADTUI_COMPLETE").source())


def _print(text: str, data: bool) -> None:
    """To standard output; data is UTF-8, whatever the terminal's encoding."""
    click.echo(text.encode() if data else text, nl=False)


def main() -> NoReturn:
    """The console script."""
    cli_process.open_streams()
    sys.exit(cli_process.run(cli))
