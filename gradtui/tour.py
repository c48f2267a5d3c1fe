"""The guided tour: scenarios in the order in which to meet them, each with a script of toggles and what must be seen of them.

A stop is a script file like any other (`gradtui run SCENARIO --script FILE --headless` runs it alone) whose comments are
what a guide says: the first line is the stop's title, each block between blank lines a remark and the statements it is
about. So the tour's text cannot drift from what happens: headless, it is a test.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gradtui import exits, headless
from gradtui.cli_run import Flags, make_spec
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.headless import Watch
from gradtui.lab import scenario as scenarios
from gradtui.lab.scenario import Scenario
from gradtui.lab.spec import Spec
from gradtui.script import Script, read
from gradtui.stream import run_directory
from gradtui.stream.events import Event

WIDTH = 80


@dataclass(frozen=True)
class Remark:
    """What the guide says, and the statements that it is about with the lines they are on."""

    text: str
    statements: tuple[tuple[int, str], ...]

    @property
    def step(self) -> int:
        """The step at which it sets a toggle; 0 if it sets none."""
        found = (re.match(r"at\s+(\d+)", statement) for _, statement in self.statements)
        return next((int(at[1]) for at in found if at), 0)

    @property
    def heading(self) -> str:
        """The step as `From step 200`; without one `Look`."""
        return f"From step {self.step}" if self.step else "Look"


@dataclass(frozen=True)
class Stop:
    """One scenario on the tour."""

    path: Path
    title: str
    scenario: Scenario
    script: Script
    remarks: tuple[Remark, ...]

    def spec(self, *, screen: bool) -> Spec:
        """The training, its toggles scheduled."""
        return make_spec(Flags(scenario=self.scenario.name, headless=not screen), self.scenario, self.script)


def stops() -> list[Stop]:
    """The stops, in their order: a file's name is its number and its scenario's name."""
    return [load(path) for path in sorted((scenarios.directory() / "tour").glob("*.gradtui"))]


def load(path: Path) -> Stop:
    """The stop in a script file. Raises ScriptError, and what scenario.load raises."""
    scenario = scenarios.load(path.stem.partition("-")[2])
    script = read(path, scenario)
    title, *lines = path.read_text(encoding="utf-8").splitlines()
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(lines, start=2):
        blocks[-1].append((number, line.strip())) if line.strip() else blocks.append([])
    return Stop(path, title.lstrip("# "), scenario, script, tuple(_remark(block) for block in blocks if block))


def _remark(block: Sequence[tuple[int, str]]) -> Remark:
    text = " ".join(line.lstrip("# ") for _, line in block if line.startswith("#"))
    return Remark(text, tuple((number, line) for number, line in block if not line.startswith("#")))


class _Silent:
    """A printer that leaves the talking to the guide."""

    def event(self, event: Event, edges: Sequence[Warning], state: RunState) -> None:
        pass

    def moment(self, state: RunState) -> None:
        pass

    def end(self, watch: Watch) -> None:
        pass


def run(route: Sequence[Stop]) -> int:
    """Train every stop and print what the guide says, with a verdict for each expectation; returns the exit code.

    1 if an expectation does not hold, and what headless.train returns if a training did not finish.
    """
    failed = False
    for number, stop in enumerate(route, start=1):
        click.echo(f"{number}/{len(route)}  {stop.title}: gradtui run {stop.scenario.name}\n")
        spec = stop.spec(screen=False)
        watch, code = headless.train(spec, run_directory.create(spec.name), _Silent())
        if code:
            return code
        failures = _failures(stop, watch)
        for remark in stop.remarks:
            click.echo(_told(remark, failures))
        failed |= any(failures.values())
    return exits.FAILED if failed else 0


def _told(remark: Remark, failures: Mapping[int, str]) -> str:
    text = textwrap.fill(remark.text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([text, *(_verdict(statement, failures.get(line)) for line, statement in remark.statements), ""])


def _failures(stop: Stop, watch: Watch) -> dict[int, str]:
    """For the line of each expectation, why it does not hold; an empty text: it does."""
    last = watch.state.frame.step if watch.state.frame else -1
    found = {}
    for expectation in stop.script.expectations:
        failure = expectation.failure(watch.edges, last)
        line = int(expectation.where.rpartition(":")[2])
        found[line] = failure.removeprefix(f"{expectation.where}: {expectation.text}: ")
    return found


def _verdict(statement: str, failure: str | None) -> str:
    """The statement as it stands, and for an expectation what became of it (`failure` None: it is none)."""
    if failure is None:
        return f"         {statement}"
    return f"  FAILS  {statement}: {failure}" if failure else f"    ok   {statement}"
