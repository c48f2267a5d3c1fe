"""A recording as three tidy tables, which CSV and Parquet share.

`layers` has a row for each frame and layer, `frames` one for each frame, `changes` one for whatever happened between them:
attempts that began and ended, toggles applied and refused, warnings opened, escalated, mitigated and closed. All three carry
`attempt` (0 before the first restart) and `step`, by which they join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Numbers, Value, spell_nonfinite
from gradtui.stream.run_directory import RunError

Cell = int | float | str | None
Row = tuple[Cell, ...]

PER_LAYER = tuple(name for name, kind in Frame.__annotations__.items() if kind == "Numbers")
SCALARS = ("loss", "lr", "steps_per_second", "total_norm", "clipped_norm")

WIDEST = 2**63
"""Whole numbers are under it in every format."""


class Column(NamedTuple):
    name: str
    kind: type[int] | type[float] | type[str]


class Table(NamedTuple):
    name: str
    columns: tuple[Column, ...]


def _floats(names: Iterable[str]) -> list[Column]:
    return [Column(name, float) for name in names]


_WHEN = (Column("attempt", int), Column("step", int))
LAYERS = Table(
    "layers",
    (*_WHEN, Column("time", float), Column("index", int), Column("group", str), Column("layer", str), *_floats(PER_LAYER)),
)
CHANGES = Table("changes", (*_WHEN, *(Column(name, str) for name in ("what", "name", "value", "severity", "layers", "text"))))


def frames_table(metrics: Sequence[str]) -> Table:
    """The table `frames` of a recording with these metrics; they stand last, as `metrics.accuracy`."""
    return Table("frames", (*_WHEN, *_floats(("time", *SCALARS)), *_floats(f"metrics.{name}" for name in metrics)))


def metrics_in(events: Iterable[Event]) -> list[str]:
    """The names of all metrics, in the order in which they first came."""
    return list(dict.fromkeys(name for event in events if isinstance(event, Frame) for name in event.metrics))


class Rows:
    """Takes a recording's events in, one by one, and gives the rows that each adds, with the table's name."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self._metrics = metrics
        self._state = RunState()

    def take(self, event: Event) -> Iterator[tuple[str, Row]]:
        attempt = self._state.attempt
        edges = self._state.apply(event)
        match event:
            case Hello():
                yield from (_warning(attempt, edge) for edge in edges)  # a restart closes what its predecessor left open
                yield CHANGES.name, (_whole(self._state.attempt), None, "begin", event.run, None, None, None, _about(event))
            case Frame():
                yield "frames", self._frame(event)
                yield from self._layers(event)
                yield from (_warning(attempt, edge) for edge in edges)
            case Applied():
                what = "refused" if event.reason else "applied"
                value, text = spelled(event.value), event.reason or event.note or None
                yield CHANGES.name, (_whole(attempt), _whole(event.step), what, event.toggle, value, None, None, text)
            case End():
                for name, logged in event.logged.items():
                    yield CHANGES.name, (_whole(attempt), _whole(event.step), "logged", name, spelled(logged), None, None, None)
                yield CHANGES.name, (_whole(attempt), _whole(event.step), "end", event.reason, None, None, None, event.error or None)

    def _frame(self, frame: Frame) -> Row:
        scalars = (getattr(frame, name) for name in SCALARS)
        return (*self._when(frame), frame.time, *scalars, *(frame.metrics.get(name) for name in self._metrics))

    def _layers(self, frame: Frame) -> Iterator[tuple[str, Row]]:
        when = self._when(frame)
        layers = self._state.hello.layers if self._state.hello else []
        for index, numbers in enumerate(zip_longest(*_per_layer(frame))):
            named = (layers[index].group, layers[index].name) if index < len(layers) else (None, None)
            yield LAYERS.name, (*when, frame.time, index, *named, *numbers)

    def _when(self, frame: Frame) -> Row:
        return _whole(self._state.attempt), _whole(frame.step)


def _per_layer(frame: Frame) -> list[Numbers]:
    return [getattr(frame, name) for name in PER_LAYER]


def _warning(attempt: int, edge: Warning) -> tuple[str, Row]:
    layers = msgspec.json.encode(edge.layers).decode()
    row = (_whole(attempt), _whole(edge.step), edge.state, edge.code, None, edge.severity, layers, edge.evidence.sentence)
    return CHANGES.name, row


def _about(hello: Hello) -> str:
    """What the attempt began with, as JSON."""
    about = {name: getattr(hello, name) for name in ("seed", "device", "host", "started", "versions")}
    about |= {"scenario": hello.scenario_name or None, "watched": hello.watched}
    about |= {"settings": {toggle.key: toggle.value for toggle in hello.toggles}}
    return msgspec.json.encode(spell_nonfinite(msgspec.to_builtins(about))).decode()


def spelled(value: Value | None) -> str | None:
    """A toggle's value as text."""
    return value if value is None or isinstance(value, str) else str(value).lower()


def _whole(number: int) -> int:
    if not -WIDEST <= number < WIDEST:
        raise RunError(f"the recording holds a step or attempt that no format can take: {str(number)[:30]} …; steps are under 2^63")
    return number
