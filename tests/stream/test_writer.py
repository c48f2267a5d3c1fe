"""The writer appends whole lines only, and a full disk costs events, never the training."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradtui.stream.events import Event, Log, decode, encode
from gradtui.stream.follower import Follower, read_all
from gradtui.stream.writer import EventWriter
from tests.diagnose.streams import hello


@pytest.mark.parametrize("left", [b"", b'{"type":"lo', b"x" * 200_000])
def test_half_a_line_of_a_killed_trainer_is_cut(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(encode(Log(text="whole")) + left)
    EventWriter(path).append(Log(text="next"))
    assert [decode(line) for line in path.read_bytes().splitlines()] == [Log(text="whole"), Log(text="next")]


def test_a_recording_that_is_only_half_a_line_becomes_empty(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"type":"hel')
    EventWriter(path)
    assert path.read_bytes() == b""


def test_a_recording_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventWriter(path).append(Log(text="x"))
    assert path.stat().st_mode & 0o777 == 0o600


FULL_DISK = """
import resource, sys
from pathlib import Path
from gradtui.stream.events import Log
from gradtui.stream.writer import EventWriter

def room(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

path = Path(sys.argv[1])
writer = EventWriter(path)
room(10_000)
for n in range(300):
    writer.append(Log(text=f"{n} " + "x" * 100))
room(1 << 30)
writer.append(Log(text="after"))
writer.append(Log(text="and on"))
"""


def test_a_full_disk_is_said_once_survived_and_told_in_the_recording(tmp_path: Path) -> None:
    """Really full: the kernel refuses the bytes (a limit on the file's size), in the middle of a line at first."""
    path = tmp_path / "events.jsonl"
    result = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert result.stderr.count("\n") == 1
    assert str(path) in result.stderr
    assert "training goes on, but is not recorded" in result.stderr
    texts = [json.loads(line)["text"] for line in path.read_bytes().splitlines()]
    written = len(texts) - 3
    assert 0 < written < 100
    assert texts[-3:] == [f"gradtui: {300 - written} events could not be recorded here", "after", "and on"]


def test_a_copy_that_does_not_fit_leaves_the_recording_whole(tmp_path: Path) -> None:
    """No room for the thinned copy: the recording is kept as it is, and grows on."""
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, cap=2_000)
    (tmp_path / "events.jsonl.thinned").mkdir()  # nothing can be written under that name
    for n in range(40):
        writer.append(Log(text=f"{n} " + "x" * 100))
    assert len(read_all(path)) == 40


def test_a_reader_at_a_full_disk_sees_every_line_once_and_none_that_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes a few bytes at a time: what a follower has read stays, so it never begins again."""
    path = tmp_path / "events.jsonl"
    room = [0]
    write = os.write

    def scarce(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(fd, data[: room[0]])
        room[0] -= written
        return written

    writer, follower = EventWriter(path), Follower(path)
    monkeypatch.setattr(os, "write", scarce)
    seen: list[Event] = []
    for number in range(60):
        room[0] += 17
        writer.append(Log(text=f"line {number}"))
        batch = follower.poll()
        assert not batch.rewound
        seen += batch.events
    room[0] = 10_000
    writer.append(Log(text="at last"))
    seen += follower.poll().events
    writer.close()
    texts = [event.text for event in seen if isinstance(event, Log)]
    assert texts == [event.text for event in read_all(path) if isinstance(event, Log)]
    own = [int(text.split()[1]) for text in texts if text.startswith("line")]
    lost = sum(int(text.split()[1]) for text in texts if "could not be recorded" in text)
    assert own == sorted(set(own))
    assert len(own) + lost == 60
    assert texts[-1] == "at last"


def test_a_hello_for_which_there_was_no_room_comes_before_everything_that_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    full = [True]
    write = os.write

    def refused(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    writer = EventWriter(path)
    monkeypatch.setattr(os, "write", refused)
    begun = hello()
    writer.append(begun)
    writer.append(Log(text="lost"))
    full[0] = False
    writer.append(Log(text="after"))
    full[0] = True
    again = hello(seed=begun.seed + 1)
    writer.append(again)
    full[0] = False
    writer.append(Log(text="last"))
    lost = Log(text="gradtui: 1 event could not be recorded here")
    assert read_all(path) == [begun, lost, Log(text="after"), again, Log(text="last")]
