"""The tables read back from CSV and Parquet, and compared with the events: all of them, to the last digit, whatever is in them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtui.diagnose.words import inert
from gradtui.export.csv_files import CsvTable
from gradtui.export.parquet import ParquetTable
from gradtui.export.tables import CHANGES, LAYERS, PER_LAYER, SCALARS, Rows, frames_table, metrics_in, spelled
from gradtui.stream.events import End, Event, Frame, Layer
from tests.diagnose.streams import applied, frame, hello, layers
from tests.stream.strategies import frames as any_frames
from tests.test_report import EVIL, evil

HARD = (math.nan, math.inf, -math.inf, 5e-324, 0.1 + 0.2, -0.0, 1.7976931348623157e308, None, 1e16)


def strange() -> list[Event]:
    """Two attempts of one trainer; everything that a number can be, names that need quotes, metrics that come and go."""
    rows = [Layer(name='a,"b"\n\x1b[31m', kind="Linear", group="критик"), *layers(8)]
    odd = [frame(step, rows=9, delta_rms=list(HARD), grad_norm=[0.5] * 8, loss=HARD[step], metrics={"a/b": 1.5}) for step in range(3)]
    first = hello(rows, run="two, with a comma", started=1000.0, pid=7)
    healthy = [frame(5 * i, -3.0, time=100.0 + i, total_norm=None, metrics={"перп": math.inf}) for i in range(20)]
    middle = [applied(3, "lr", 0.1 + 0.2), applied(4, "clip", True, reason="no\nnot here")]
    again = hello(started=1500.0, attempt=1, pid=7)
    return [first, *odd, *middle, again, *healthy, End(reason="crashed", step=95, error="boom\n\tat x", logged={"eval_loss": 0.125})]


def as_csv(events: Sequence[Event]) -> dict[str, list[dict[str, str]]]:
    texts = {name: io.StringIO() for name in ("layers", "frames", "changes")}
    fill(events, lambda table: CsvTable(table, texts[table.name]))
    for text in texts.values():
        lines = text.getvalue().split("\n")
        assert all(line.isprintable() for line in lines)
        assert len(lines) == len(list(csv.reader(io.StringIO(text.getvalue())))) + 1  # a line is a row
    return {name: list(csv.DictReader(io.StringIO(text.getvalue()))) for name, text in texts.items()}


def as_parquet(events: Sequence[Event], where: Path) -> dict[str, list[dict[str, Any]]]:
    sinks = fill(events, lambda table: ParquetTable(table, where / f"{table.name}.parquet"))
    for sink in sinks:
        sink.close()
    return {path.stem: pyarrow.parquet.read_table(path).to_pylist() for path in where.glob("*.parquet")}


def fill(events: Sequence[Event], make: Any) -> list[Any]:
    metrics = metrics_in(events)
    sinks = {table.name: make(table) for table in (LAYERS, frames_table(metrics), CHANGES)}
    rows = Rows(metrics)
    for event in events:
        for name, row in rows.take(event):
            sinks[name].add(row)
    return list(sinks.values())


def number(text: str) -> float | None:
    """What a reader of CSV makes of a cell."""
    return float(text) if text else None


def same(a: float | None, b: float | None) -> bool:
    """To the last bit, the sign of zero included."""
    return repr(a) == repr(b)


def frames_of(events: Sequence[Event]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def test_csv_gives_every_number_back(tmp_path: Path) -> None:
    events = strange()
    found = as_csv(events)
    kept = frames_of(events)
    assert [int(row["step"]) for row in found["frames"]] == [event.step for event in kept]
    assert [row["attempt"] for row in found["frames"]] == ["0"] * 3 + ["1"] * 20
    for row, event in zip(found["frames"], kept, strict=True):
        assert all(same(number(row[name]), getattr(event, name)) for name in ("time", *SCALARS))
        assert all(same(number(row[f"metrics.{name}"]), event.metrics.get(name)) for name in ("a/b", "перп"))
    wide = iter(found["layers"])
    for event in kept:
        for index in range(max(len(getattr(event, name)) for name in PER_LAYER)):
            row = next(wide)
            assert (int(row["index"]), int(row["step"])) == (index, event.step)
            for name in PER_LAYER:
                numbers = getattr(event, name)
                assert same(number(row[name]), numbers[index] if index < len(numbers) else None), name
    assert next(wide, None) is None
    assert (found["layers"][0]["group"], found["layers"][0]["layer"]) == ("критик", 'a,"b"\\n\\x1b[31m')


def test_parquet_gives_every_number_and_text_back(tmp_path: Path) -> None:
    events = strange()
    found = as_parquet(events, tmp_path)
    first = found["layers"][:9]
    assert [repr(row["delta_rms"]) for row in first] == list(map(repr, HARD))
    assert [row["grad_norm"] for row in first] == [0.5] * 8 + [None]
    assert (first[0]["group"], first[0]["layer"]) == ("критик", 'a,"b"\n\x1b[31m')
    assert [repr(row["loss"]) for row in found["frames"]] == [repr(event.loss) for event in frames_of(events)]
    assert [row["metrics.перп"] for row in found["frames"]] == [None] * 3 + [math.inf] * 20


def test_what_happened_between_the_frames_is_told_in_order(tmp_path: Path) -> None:
    rows = as_parquet(strange(), tmp_path)["changes"]
    assert [(row["attempt"], row["step"], row["what"], row["name"]) for row in rows if row["what"] != "closed"][:6] == [
        (0, None, "begin", "two, with a comma"),
        (0, 0, "opened", "non-finite"),
        (0, 3, "applied", "lr"),
        (0, 4, "refused", "clip"),
        (1, None, "begin", "r"),
        (1, 25, "opened", "vanishing"),
    ]
    by_what = {row["what"]: row for row in reversed(rows)}
    assert by_what["applied"]["value"] == "0.30000000000000004"
    assert (by_what["refused"]["value"], by_what["refused"]["text"]) == ("true", "no\nnot here")
    assert (by_what["closed"]["attempt"], by_what["closed"]["name"]) == (0, "non-finite")  # by the restart, in the attempt that it ended
    assert (by_what["logged"]["name"], by_what["logged"]["value"], by_what["logged"]["step"]) == ("eval_loss", "0.125", 95)
    assert (by_what["end"]["name"], by_what["end"]["text"], by_what["end"]["step"]) == ("crashed", "boom\n\tat x", 95)
    opened = next(row for row in rows if row["name"] == "vanishing")
    assert "hidden.0" in json.loads(opened["layers"])
    assert json.loads(by_what["begin"]["text"])["settings"]["lr"] == 0.02


@pytest.mark.parametrize(
    ("scenario", "told"), [({"name": "deep", "model": "mlp"}, ("deep", False)), ({"name": "mine", "watched": True}, (None, True))]
)
def test_a_watched_training_is_no_scenario(tmp_path: Path, scenario: dict[str, Any], told: tuple[str | None, bool]) -> None:
    (begin,) = as_parquet([hello(scenario=scenario)], tmp_path)["changes"]
    about = json.loads(begin["text"])
    assert (about["scenario"], about["watched"]) == told


@given(frame=any_frames)
@settings(max_examples=60, deadline=None)
def test_any_frame_has_rows(frame: Frame) -> None:
    found = as_csv([hello(), frame])
    assert same(number(found["frames"][0]["loss"]), frame.loss)
    assert len(found["layers"]) == max(len(getattr(frame, name)) for name in PER_LAYER)


@given(value=st.booleans() | st.floats() | st.text(max_size=5))
def test_a_toggles_value_is_spelled(value: bool | float | str) -> None:
    text = spelled(value)
    assert text is not None
    assert text == value if isinstance(value, str) else text in ("true", "false") if isinstance(value, bool) else same(float(text), value)


def test_evil_names_are_inert_in_csv() -> None:
    found = as_csv(evil())
    assert found["layers"][0]["layer"] == inert(EVIL)
