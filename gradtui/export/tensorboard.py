"""A recording as TensorBoard's event files: numbers as scalars, warnings and toggles as text; each attempt is a run of its own.

The records are written by the `tensorboard` package's own writer. Its asynchronous EventFileWriter names a new file each time,
and a second export would draw every curve twice: here the name is fixed, and a second export replaces the first.
Scalars are single precision there: under 1e-45 they are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event as Record
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import full_name, inert
from gradtui.export.tables import PER_LAYER, SCALARS, WIDEST, spelled
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Layer
from gradtui.stream.run_directory import RunError

FILE = "events.out.tfevents.gradtui"


def export(events: Iterable[Event], where: Path) -> list[Path]:
    """Write the events under `where`, a directory an attempt; returns the files written. Raises OSError and RunError."""
    attempts: dict[int, RecordWriter] = {}
    run = _Run()
    try:
        for event in events:
            records = list(run.take(event))
            if not records and not isinstance(event, Hello):
                continue
            if run.attempt not in attempts:
                attempts[run.attempt] = _opened(_file(where, run.attempt))
            for record in records:
                attempts[run.attempt].write(record.SerializeToString())
    finally:
        for writer in attempts.values():
            writer.close()
    return [_file(where, attempt) for attempt in attempts]


def _file(where: Path, attempt: int) -> Path:
    return where / f"attempt-{attempt}" / FILE


def _opened(path: Path) -> RecordWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = RecordWriter(path.open("wb"))
    writer.write(Record(file_version="brain.Event:2").SerializeToString())
    return writer


class _Run:
    """The records that each event makes."""

    def __init__(self) -> None:
        self._state = RunState()
        self._trainer: tuple[str, int] | None = None
        self._started = 0.0
        """When the trainer began, in seconds since the epoch: a frame's time counts from there, across its restarts."""
        self._now = 0.0

    @property
    def attempt(self) -> int:
        return self._state.attempt

    def take(self, event: Event) -> Iterator[Record]:
        edges = self._state.apply(event)
        match event:
            case Hello():
                self._meet(event)
            case Frame():
                self._now = self._started + event.time if math.isfinite(event.time) else self._now
                yield self._record(event.step, _scalars(event, self._state.hello.layers if self._state.hello else []))
                yield from (self._record(edge.step, [_warning(edge)]) for edge in edges)
            case Applied():
                text = f"refused: {event.reason}" if event.reason else " ".join(filter(None, (spelled(event.value), event.note)))
                yield self._record(event.step, [_text(f"toggles/{event.toggle}", text or "done")])
            case End() if event.logged:
                yield self._record(event.step, _metrics(event.logged))

    def _meet(self, hello: Hello) -> None:
        if self._trainer != (hello.host, hello.pid):
            self._trainer = hello.host, hello.pid
            self._started = hello.started if math.isfinite(hello.started) else 0.0
            self._now = self._started

    def _record(self, step: int, values: Iterable[Summary.Value]) -> Record:
        if not -WIDEST <= step < WIDEST:
            raise RunError(f"the recording holds a step that TensorBoard cannot take: {str(step)[:30]} …; steps are under 2^63")
        return Record(wall_time=self._now, step=step, summary=Summary(value=list(values)))


def _scalars(frame: Frame, layers: list[Layer]) -> Iterator[Summary.Value]:
    for name in SCALARS:
        if (value := getattr(frame, name)) is not None:
            yield Summary.Value(tag=name, simple_value=value)
    yield from _metrics(frame.metrics)
    names = [inert(full_name(layer)) for layer in layers]
    for field in PER_LAYER:
        for index, value in enumerate(getattr(frame, field)):
            if value is not None:
                yield Summary.Value(tag=f"{field}/{names[index] if index < len(names) else index}", simple_value=value)


def _metrics(found: Mapping[str, float]) -> Iterator[Summary.Value]:
    for name, value in found.items():
        yield Summary.Value(tag="loss" if name == "loss" else inert(f"metrics/{name}"), simple_value=value)


def _warning(edge: Warning) -> Summary.Value:
    where = f" in {', '.join(edge.layers)}" if edge.layers else ""
    return _text(f"warnings/{edge.code}", f"{edge.state}, {edge.severity}{where}: {edge.evidence.sentence}")


def _text(tag: str, text: str) -> Summary.Value:
    tensor = TensorProto(dtype=DT_STRING, string_val=[inert(text).encode()], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=inert(tag), tensor=tensor, metadata=create_summary_metadata(display_name="", description=""))
