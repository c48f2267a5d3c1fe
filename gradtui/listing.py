"""The lists: scenarios, one scenario, and recorded runs, as text or as lines of JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from gradtui import describe
from gradtui.diagnose.words import inert
from gradtui.lab import toggles
from gradtui.lab.scenario import catalog, load
from gradtui.stream.events import End, Event, Frame, Hello, Log, decode, encode
from gradtui.stream.lines import UNREADABLE, fault
from gradtui.stream.liveness import elsewhere, gone, silence
from gradtui.stream.run_directory import RunDirectory, all_runs

ENDS = 4 << 20
"""Bytes read at each end of a recording: more than a frame of a thousand layers."""

SILENT_AFTER = 120.0
"""Seconds without a word from which a run on another host is not said to be running: a shared file system may show what was written
a minute ago."""


def scenarios_text() -> str:
    lines: list[str] = []
    group = ""
    for scenario in catalog():
        if scenario.group != group:
            group = scenario.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {scenario.name:<22} {inert(scenario.shows)}")
    return "\n".join(lines) + "\n"


def scenarios_json() -> str:
    return _json_lines(catalog())


def scenario_json(name: str) -> str:
    """The scenario whole, with its toggles and the commands to run. Raises what scenario.load raises."""
    scenario = load(name)
    offered = toggles.offered(scenario, toggles.initial(scenario))
    extra = {"toggles": msgspec.to_builtins(offered), "commands": describe.commands(scenario, name)}
    return _json_lines([msgspec.to_builtins(scenario) | extra])


def scenario_text(name: str) -> str:
    """A screenful. Raises what scenario.load raises."""
    return describe.text(load(name), name)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a recording's two ends tell."""

    run: str
    path: str
    scenario: str
    """Empty: it was none of the lab's."""
    watched: bool
    """It is a training of somebody's own."""
    state: str
    """`running`, `finished`, `stopped`, `crashed` (the trainer is gone, too); `silent`: of a run on another host, from where its trainer
cannot be seen, nothing was heard for long; `starting`: nothing is recorded yet; `never began`: nor was it for long; `unknown`: the
recording's beginning cannot be read; `unreadable`: nothing of it can."""
    host: str
    silent_for: float | None
    """Seconds since it was written to; None: its end is recorded."""
    step: int | None
    """The last step known of; None: not one was taken, or none is recorded."""
    started: float
    """Seconds since the epoch."""


def runs_text() -> str:
    rows = list(map(_row, map(recorded, all_runs())))
    return "\n".join([f"{'run':<42} {'state':<11} {'step':>8}  started", *rows]) + "\n" if rows else ""


def _row(run: Recorded) -> str:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    known = f"  silent for {_span(run.silent_for or 0.0)}, on {inert(run.host)}" if run.state == "silent" else ""
    step = "–" if run.step is None else run.step
    return f"{inert(run.run):<42} {inert(run.state):<11} {step:>8}  {started}{known}"


def _span(seconds: float) -> str:
    """`3 h`: in the largest unit of which there is one."""
    size, unit = next(((size, unit) for size, unit in ((86400, "days"), (3600, "h")) if seconds >= size), (60, "min"))
    return f"{seconds // size:.0f} {unit}"


def runs_json() -> str:
    return _json_lines(map(recorded, all_runs()))


def recorded(run: RunDirectory) -> Recorded:
    """A run in short, without reading all of it."""
    first, last = _ends(run)
    hello = next((event for event in first if isinstance(event, Hello)), None)
    newest = next((event for event in reversed(last) if isinstance(event, Hello)), hello)
    step = next((event.step for event in reversed(last) if isinstance(event, (Frame, End))), -1)
    last = [event for event in last if not isinstance(event, Log)] or last  # which rank is gone is told after the end
    silent_for = None if last and isinstance(last[-1], End) else silence(run.events)
    return Recorded(
        run=run.name,
        path=str(run.path),
        scenario=hello.scenario_name if hello else "",
        watched=hello is not None and hello.watched,
        state=_state(newest, last[-1], silent_for or 0.0) if last else _state_of_none(run, silent_for or 0.0),
        host=newest.host if newest else "",
        silent_for=silent_for,
        step=step if step >= 0 else None,
        started=hello.started if hello else time.time() - silence(run.events),
    )


def _state(hello: Hello | None, last: Event, silent_for: float) -> str:
    if isinstance(last, End):
        return last.reason
    if hello is None:
        return "unknown"
    if elsewhere(hello):
        return "silent" if silent_for >= SILENT_AFTER else "running"
    return "crashed" if gone(hello) else "running"


def _state_of_none(run: RunDirectory, silent_for: float) -> str:
    """Of a recording without an event."""
    try:
        if fault(run.events):
            return "unreadable"
    except OSError:
        return "unreadable"
    return "starting" if silent_for < SILENT_AFTER else "never began"


def _ends(run: RunDirectory) -> tuple[list[Event], list[Event]]:
    """The first event, and the events among the last bytes; none of a recording that cannot be read: the others are listed all the same."""
    try:
        with run.events.open("rb") as file:
            first = file.readline(ENDS)
            file.seek(max(0, file.seek(0, 2) - ENDS))
            last = file.read().rpartition(b"\n")[0].split(b"\n")
    except OSError:
        return [], []
    return _readable([first]), _readable(last)


def _readable(lines: Iterable[bytes]) -> list[Event]:
    events = []
    for line in lines:
        try:
            events.append(decode(line))
        except UNREADABLE:
            continue
    return events


def _json_lines(items: Iterable[object]) -> str:
    return "".join(encode(item).decode() for item in items)
