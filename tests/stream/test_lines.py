"""What is no event on a line is passed over and told of; a file without any event is no recording."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gradtui.stream.events import SCHEMA, Event, Hello, Log, encode
from gradtui.stream.follower import Follower
from gradtui.stream.lines import fault
from gradtui.stream.recording import Recording
from gradtui.stream.run_directory import NoSuchRunError, RunError, find

ONE = encode(Log(text="one"))
TWO = encode(Log(text="two"))
HELLO = Hello(run="r", scenario={}, seed=0, device="cpu", versions={}, pid=1, host="h", started=0.0, layers=[], toggles=[])
LATER = b'{"type":"later"}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.mark.parametrize("data", [b"", b"\n", ONE, ONE[:9], b"hm\n" + ONE, LATER + ONE[:9] + b"\n" + TWO])
def test_what_has_an_event_or_has_only_just_begun_is_a_recording(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert fault(path) == ""
    assert find(str(path.parent)).events == path


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (b"\nhm\nwhat\n", "line 2: JSON is malformed"),
        (b"no end", "line 1: JSON is malformed"),
        (b"hm\n" + ONE[:9], "line 1: JSON is malformed"),
        (LATER, "line 1: Invalid value 'later'"),
        (b"\x00" * 5000, "line 1: JSON is malformed"),
        (b'"' + b"\xff" * 5000 + b'"\n', "line 1: "),
    ],
)
def test_what_has_no_event_is_none_and_says_why(path: Path, data: bytes, first: str) -> None:
    path.write_bytes(data)
    with pytest.raises(RunError) as error:
        find(str(path.parent))
    assert str(error.value).startswith(f"{path}: is not a run's recording: no line of it is an event ({first}")
    assert len(str(error.value)) < 500
    assert not isinstance(error.value, NoSuchRunError)  # a bad file, not a missing one


def test_of_a_recording_one_line_is_read(path: Path) -> None:
    path.write_bytes(ONE)
    os.truncate(path, 1 << 40)
    assert fault(path) == ""


def test_a_pipe_of_that_name_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(NoSuchRunError, match=r"events\.jsonl: is no file"):
        find(str(path.parent))


def followed(path: Path) -> tuple[list[Event], str]:
    """Read in small pieces, so that lines are counted over several."""
    follower, found = Follower(path), []
    while (batch := follower.poll(limit=20)).more or batch.events:
        found += batch.events
    return found, follower.lines.told(path)


def recorded(path: Path) -> tuple[list[Event], str]:
    with Recording(path) as recording:
        for _ in range(2):  # what is read twice is told of once
            found = list(recording.events())
    return found, recording.lines.told(path)


@pytest.mark.parametrize("read", [followed, recorded])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (ONE + b"\n" + TWO + TWO[:9], ""),
        (ONE + b"\n" + LATER + TWO, "1 line is no event and was passed over (line 3: Invalid value 'later'"),
        (ONE + b"hm\n" + LATER + TWO + b"hm", "2 lines are no events and were passed over (the first is line 2: JSON is malformed"),
    ],
    ids=["whole", "one", "two"],
)
def test_lines_in_the_middle_are_passed_over_and_told_of(path: Path, read: type, data: bytes, told: str) -> None:
    path.write_bytes(data)
    found, said = read(path)
    assert found == [Log(text="one"), Log(text="two")]
    assert said.startswith(f"{path}: {told}") if told else said == ""


@pytest.mark.parametrize("read", [followed, recorded])
def test_a_recording_of_a_later_gradtui_is_said_to_be_one(path: Path, read: type) -> None:
    path.write_bytes(encode(msgspec.structs.replace(HELLO, schema=SCHEMA + 1)) + ONE)
    found, said = read(path)
    assert len(found) == 2
    assert said == f"{path}: it is of schema 2, this gradtui reads 1: what a later one has added is not shown"
