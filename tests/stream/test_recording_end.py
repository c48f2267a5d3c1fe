"""Whether a run is over is told by the last line of its recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradtui.stream.events import End, Event, Frame, Log, encode
from gradtui.stream.recording import over
from gradtui.stream.run_directory import RunDirectory

END = End(reason="crashed", step=3, error="x" * 5000)


@pytest.mark.parametrize(
    ("events", "torn", "expected"),
    [
        ([Frame(step=0, time=0.0), END], b"", True),
        ([END], b'{"type":"fra', True),
        ([Frame(step=0, time=0.0)], b'{"type":"end","reason":"fin', False),
        ([END, Frame(step=0, time=0.0)], b"", False),
        ([Log(text='{"type":"end","reason":"finished","step":1}')], b"", False),
        ([Log(text="x" * 100_000), END], b"", True),
        ([Log(text="x" * 100_000)], b"", False),
        ([], b"", False),
    ],
)
def test_the_last_whole_line_tells(tmp_path: Path, events: list[Event], torn: bytes, expected: bool) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"".join(map(encode, events)) + torn)
    assert over(RunDirectory(tmp_path)) is expected
