"""The tables as CSV: one line a row whatever the texts in it hold, numbers to their last digit.

What is not finite is `nan`, `inf` or `-inf`, as pandas reads it, and what was not measured is empty. A character that does not
print, a line break or an escape sequence, is spelled out (`\\n`, `\\x1b`), so that a line is a row and a terminal shows it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Protocol

from gradtui.diagnose.words import inert
from gradtui.export.tables import Cell, Row, Table


class Stream(Protocol):
    def write(self, text: str, /) -> object: ...


class CsvTable:
    """One table, written row by row."""

    def __init__(self, table: Table, stream: Stream) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow([inert(column.name) for column in table.columns])

    def add(self, row: Row) -> None:
        self._writer.writerow(list(_cells(row)))


def _cells(row: Row) -> Iterator[Cell]:
    return (inert(cell) if isinstance(cell, str) else cell for cell in row)
