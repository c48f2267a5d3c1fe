"""A reader survives half a line, a cut file, a growing one, a replaced one and one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtui.stream.events import Event, Log, encode
from gradtui.stream.follower import Follower, read_all
from tests.stream.strategies import events as any_events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


DEEP = (
    b'{"type":"hello","run":"","seed":1,"device":"","versions":{},"pid":1,"host":"","started":1,"layers":[],"toggles":[],"scenario":{"a":'
    + b"[" * 5000
    + b"]" * 5000
    + b"}}"
)


def log(n: int, size: int = 1) -> Log:
    return Log(text=f"{n} " + "x" * size)


def drain(follower: Follower, limit: int = 1 << 20) -> list[Event]:
    found: list[Event] = []
    while True:
        batch = follower.poll(limit)
        found += batch.events
        if not batch.more:
            return found


@given(st.lists(any_events, max_size=6), st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(1, 500))
def test_however_it_grows_every_event_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], pieces: list[int], limit: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    data = b"".join(map(encode, events))
    follower, found, at = Follower(path), [], 0
    for piece in [*pieces, len(data)]:
        with path.open("ab") as file:
            file.write(data[at : at + piece])
        at += piece
        found += drain(follower, limit)
    assert repr(found) == repr(events)
    assert follower.unreadable == 0


def test_half_a_line_waits_for_its_end(path: Path) -> None:
    follower = Follower(path)
    whole, half = encode(log(1)), encode(log(2))
    path.write_bytes(whole + half[:7])
    assert drain(follower) == [log(1)]
    assert drain(follower) == []
    path.write_bytes(whole + half)
    assert drain(follower) == [log(2)]


@pytest.mark.parametrize(
    "damage", [b"nonsense", b"\xff\xfe", DEEP, b'{"type":"log","text":3}', b'{"type":"from a later schema"}', b"\x00" * 50]
)
def test_a_damaged_line_is_counted_and_passed_over(path: Path, damage: bytes) -> None:
    path.write_bytes(encode(log(1)) + damage + b"\n" + encode(log(2)))
    follower = Follower(path)
    assert drain(follower) == [log(1), log(2)]
    assert follower.unreadable == 1


def test_a_replaced_file_is_read_again_from_its_beginning(path: Path) -> None:
    path.write_bytes(encode(log(1)) + encode(log(2)))
    follower = Follower(path)
    assert follower.poll().rewound is False
    thinned = path.with_name("copy")
    thinned.write_bytes(encode(log(2)) + encode(log(3)))
    thinned.replace(path)
    batch = follower.poll()
    assert batch.rewound
    assert batch.events == [log(2), log(3)]


def test_a_replaced_file_with_the_old_inode_number_is_noticed(path: Path) -> None:
    """File systems give a freed inode's number again: rewriting in place looks the same to stat()."""
    path.write_bytes(b"".join(encode(log(n, size=50)) for n in range(4)))
    follower = Follower(path)
    drain(follower)
    with path.open("r+b") as file:
        file.write(b"".join(encode(log(n, size=80)) for n in range(10, 14)))
    batch = follower.poll()
    assert batch.rewound
    assert batch.events == [log(n, size=80) for n in range(10, 14)]


def test_a_truncated_file_is_read_again(path: Path) -> None:
    path.write_bytes(encode(log(1)) + encode(log(2)))
    follower = Follower(path)
    drain(follower)
    path.write_bytes(encode(log(1)))
    batch = follower.poll()
    assert batch.rewound
    assert batch.events == [log(1)]


def test_a_file_that_vanishes_and_comes_back(path: Path) -> None:
    follower = Follower(path)
    assert follower.poll().missing
    path.write_bytes(encode(log(1)))
    assert follower.poll().events == [log(1)]
    path.unlink()
    assert follower.poll().missing
    path.write_bytes(encode(log(7)))
    batch = follower.poll()
    assert batch.rewound
    assert batch.events == [log(7)]


def test_one_look_is_bounded_and_says_that_there_is_more(path: Path) -> None:
    path.write_bytes(b"".join(encode(log(n, size=100)) for n in range(100)))
    batch = Follower(path).poll(limit=1000)
    assert 0 < len(batch.events) < 10
    assert batch.more


def test_a_line_longer_than_the_limit_is_read_whole(path: Path) -> None:
    path.write_bytes(encode(log(1, size=10_000)) + encode(log(2)))
    assert drain(Follower(path), limit=100) == [log(1, size=10_000), log(2)]


def test_read_all_of_a_missing_file_is_empty(path: Path) -> None:
    assert read_all(path) == []
