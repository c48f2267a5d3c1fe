"""`gradtui export`: a recording, as it stands now, in a form that other tools read."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import click

from gradtui import exits
from gradtui.export import place
from gradtui.export.tables import CHANGES, LAYERS, Row, Rows, Table, frames_table, metrics_in
from gradtui.stream.recording import Recording
from gradtui.stream.run_directory import RunDirectory, RunError, find


class Sink(Protocol):
    def add(self, row: Row, /) -> None: ...


def run(name: str | None, to: str, output: str | None, table: str | None) -> None:
    """Write the recording. Raises NoSuchRunError, RunError, OSError, and UsageError for flags or a package that is not there."""
    if output == "-" and to != "csv":
        raise click.UsageError(f"--output - is for --to csv: {to} is not a text; name a directory")
    if table and output != "-":
        raise click.UsageError("--table is for --output -: a directory takes all three tables")
    found = find(name)
    with Recording(found.events) as recording:
        if output == "-":
            _print(recording, table or LAYERS.name)
        else:
            _write(recording, found, to, Path(output or f"{found.path.resolve().name}-{to}"))
        told = recording.lines.told(found.events)
    if told:
        exits.complain(told)


def _write(recording: Recording, run: RunDirectory, to: str, where: Path) -> None:
    place.check(where)
    with exits.naming(where):
        written = WRITERS[to](recording, where)
    if not written:
        raise RunError(f"{run.events}: holds no frame that {to} can show")
    place.clear(where, to, written)
    for path in written:
        click.echo(f"written to {path}", err=True)


def _csv(recording: Recording, where: Path) -> list[Path]:
    from gradtui.export.csv_files import CsvTable

    where.mkdir(parents=True, exist_ok=True)
    written = []
    with contextlib.ExitStack() as stack:

        def make(table: Table) -> Sink:
            written.append(where / f"{table.name}.csv")
            return CsvTable(table, stack.enter_context(written[-1].open("w", encoding="utf-8", newline="")))

        _fill(recording, make)
    return written


def _parquet(recording: Recording, where: Path) -> list[Path]:
    parquet = _needing("pyarrow", "gradtui.export.parquet")
    where.mkdir(parents=True, exist_ok=True)
    written = []
    with contextlib.ExitStack() as stack:

        def make(table: Table) -> Sink:
            written.append(where / f"{table.name}.parquet")
            sink: Sink = stack.enter_context(contextlib.closing(parquet.ParquetTable(table, written[-1])))
            return sink

        _fill(recording, make)
    return written


def _tensorboard(recording: Recording, where: Path) -> list[Path]:
    written: list[Path] = _needing("tensorboard", "gradtui.export.tensorboard").export(recording.events(), where)
    return written


def _svg(recording: Recording, where: Path) -> list[Path]:
    from gradtui.export import svg

    return svg.export(recording.events(), where)


WRITERS: Mapping[str, Callable[[Recording, Path], list[Path]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "tensorboard": _tensorboard,
    "svg": _svg,
}


class _Stdout:
    """Standard output in UTF-8, as the files are, whatever the terminal's encoding."""

    def write(self, text: str, /) -> object:
        return sys.stdout.buffer.write(text.encode())


def _print(recording: Recording, name: str) -> None:
    from gradtui.export.csv_files import CsvTable

    _fill(recording, lambda table: CsvTable(table, _Stdout()) if table.name == name else None)


def _fill(recording: Recording, make: Callable[[Table], Sink | None]) -> None:
    """Give every row to its table's sink. The recording is read twice: first for the metrics that make a table's columns."""
    metrics = metrics_in(recording.events())
    sinks = {table.name: sink for table in (LAYERS, frames_table(metrics), CHANGES) if (sink := make(table))}
    rows = Rows(metrics)
    for event in recording.events():
        for name, row in rows.take(event):
            if name in sinks:
                sinks[name].add(row)


def _needing(package: str, module: str) -> Any:
    """The module, which needs a package that gradtui does without. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise click.UsageError(
            f"this needs {package}, which cannot be imported ({error}); install it with: pip install {package}"
        ) from None
