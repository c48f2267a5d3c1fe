"""The tables as Parquet: null is what was not measured, and NaN is NaN."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet

from gradtui.export.tables import Row, Table

BATCH = 10_000
"""Rows held back before they are written."""

_KINDS = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}


class ParquetTable:
    """One table, written batch by batch; `close` writes what is left."""

    def __init__(self, table: Table, path: Path) -> None:
        self._schema = pyarrow.schema([(column.name, _KINDS[column.kind]) for column in table.columns])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [pyarrow.array(cells, field.type) for cells, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))
        self._rows.clear()
