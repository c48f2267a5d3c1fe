"""A recording as TensorBoard's event files: numbers as scalars, warnings and toggles as text; each attempt is a run of its own.

The `tensorboard` package's EventFileWriter names a new file each time, and a second export would draw every curve twice: here the
name is fixed, and a second export replaces the first.
Scalars are single precision there: under 1e-45 they are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event as Record
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.text.metadata import create_summary_metadata

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import full_name, inert
from gradtui.export import records
from gradtui.export.tables import PER_LAYER, SCALARS, WIDEST, spelled
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Layer
from gradtui.stream.run_directory import RunError

FILE = "events.out.tfevents.gradtui"


def export(events: Iterable[Event], where: Path) -> list[Path]:
    """Write the events under `where`, a directory an attempt; returns the files written. Raises OSError and RunError."""
    attempts: dict[int, BinaryIO] = {}
    run = _Run()
    with ExitStack() as files:
        for event in events:
            found = list(run.take(event))
            if not found and not isinstance(event, Hello):
                continue
            if run.attempt not in attempts:
                attempts[run.attempt] = files.enter_context(_opened(_file(where, run.attempt)))
            for record in found:
                records.write(attempts[run.attempt], record)
    return [_file(where, attempt) for attempt in attempts]


def _file(where: Path, attempt: int) -> Path:
    return where / f"attempt-{attempt}" / FILE


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("wb")
    records.write(file, Record(file_version="brain.Event:2").SerializeToString())
    return file


class _Run:
    """The records that each event makes."""

    def __init__(self) -> None:
        self._state = RunState()
        self._trainer: tuple[str, int] | None = None
        self._started = 0.0
        """When the trainer began, in seconds since the epoch: a frame's time counts from there, across its restarts."""
        self._now = 0.0
        self._scalars = _Scalars([])

    @property
    def attempt(self) -> int:
        return self._state.attempt

    def take(self, event: Event) -> Iterator[bytes]:
        edges = self._state.apply(event)
        match event:
            case Hello():
                self._meet(event)
            case Frame():
                self._now = self._started + event.time if math.isfinite(event.time) else self._now
                yield self._scalars.record(self._now, event.step, event)
                yield from (self._record(edge.step, _warning(edge)) for edge in edges)
            case Applied():
                text = f"refused: {event.reason}" if event.reason else " ".join(filter(None, (spelled(event.value), event.note)))
                yield self._record(event.step, _text(f"toggles/{event.toggle}", text or "done"))
            case End() if event.logged:
                values = [Summary.Value(tag=_metric(name), simple_value=value) for name, value in event.logged.items()]
                yield self._record(event.step, *values)

    def _meet(self, hello: Hello) -> None:
        self._scalars = _Scalars(hello.layers)
        if self._trainer != (hello.host, hello.pid):
            self._trainer = hello.host, hello.pid
            self._started = hello.started if math.isfinite(hello.started) else 0.0
            self._now = self._started

    def _record(self, step: int, *values: Summary.Value) -> bytes:
        record: bytes = Record(wall_time=self._now, step=_whole(step), summary=Summary(value=values)).SerializeToString()
        return record


class _Scalars:
    """Makes a frame's record out of the one before: making its hundreds of messages anew took longer than all else about it."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._names = [inert(full_name(layer)) for layer in layers]
        self._tags: dict[str, list[str]] = {}
        self._mould([])

    def record(self, time: float, step: int, frame: Frame) -> bytes:
        measured = self._measured(frame)
        tags = [tag for tag, _ in measured]
        if tags != self._moulded:
            self._mould(tags)
        self._record.wall_time, self._record.step = time, _whole(step)
        for value, (_, number) in zip(self._values, measured, strict=True):
            value.simple_value = number
        record: bytes = self._record.SerializeToString()
        return record

    def _mould(self, tags: Sequence[str]) -> None:
        self._moulded = tags
        self._record = Record(summary=Summary(value=[Summary.Value(tag=tag, simple_value=0.0) for tag in tags]))
        self._values = list(self._record.summary.value)

    def _measured(self, frame: Frame) -> list[tuple[str, float]]:
        """Tags and numbers, but of what was not measured."""
        tags = [*SCALARS, *map(_metric, frame.metrics)]
        numbers: list[float | None] = [*(getattr(frame, name) for name in SCALARS), *frame.metrics.values()]
        for field in PER_LAYER:
            column = getattr(frame, field)
            tags += self._tags_of(field, len(column))
            numbers += column
        return [(tag, number) for tag, number in zip(tags, numbers, strict=True) if number is not None]

    def _tags_of(self, field: str, count: int) -> list[str]:
        """The tags of a field's column: by the layers' names, or by their indices where the recording does not tell these."""
        if field not in self._tags:
            self._tags[field] = [f"{field}/{name}" for name in self._names]
        tags = self._tags[field]
        tags += [f"{field}/{index}" for index in range(len(tags), count)]
        return tags[:count]


def _whole(step: int) -> int:
    if not -WIDEST <= step < WIDEST:
        raise RunError(f"the recording holds a step that TensorBoard cannot take: {str(step)[:30]} …; steps are under 2^63")
    return step


def _metric(name: str) -> str:
    return "loss" if name == "loss" else inert(f"metrics/{name}")


def _warning(edge: Warning) -> Summary.Value:
    where = f" in {', '.join(edge.layers)}" if edge.layers else ""
    return _text(f"warnings/{edge.code}", f"{edge.state}, {edge.severity}{where}: {edge.evidence.sentence}")


def _text(tag: str, text: str) -> Summary.Value:
    tensor = TensorProto(dtype=DT_STRING, string_val=[inert(text).encode()], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=inert(tag), tensor=tensor, metadata=create_summary_metadata(display_name="", description=""))
