"""The index of a recording and the clock over it: every frame found where it is, and shown when it is due."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gradtui.stream.events import End, Event, Frame, Log, decode, encode
from gradtui.stream.recording import Recording
from gradtui.stream.replay import LONGEST, SHORTEST, Clock, Index
from tests.diagnose.streams import applied, frame, hello


def recorded(path: Path, *events: Event, end: bytes = b"") -> Recording:
    path.write_bytes(b"".join(map(encode, events)) + end)
    return Recording(path)


def two_attempts() -> list[Event]:
    first: list[Event] = [hello(), *(frame(step) for step in range(0, 50, 5)), applied(45, "lr", 0.1), Log(text='{"type":"frame"')]
    return [*first, hello(attempt=1), *(frame(step) for step in range(0, 20, 2)), End(reason="finished", step=18)]


@pytest.mark.parametrize("chunk", [64, 1 << 22])
def test_every_frame_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("gradtui.stream.recording.CHUNK", chunk)
    events = two_attempts()
    recording = recorded(tmp_path / "events.jsonl", *events, end=b'{"type":"frame","step":99')
    index = Index(recording)
    assert [decode(recording.read(*index.place(at))) for at in range(len(index))] == [e for e in events if isinstance(e, Frame)]
    assert (len(index.hellos), len(index.applied)) == (2, 1)
    assert index.stop(len(index) - 1) == len(b"".join(map(encode, events)))  # the end is there once the last frame is, the half line never
    assert index.stop(0) == index.place(0)[1]


def test_a_recording_that_another_program_wrote_anew_is_indexed_too(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(json.loads(encode(event))) + "\n" for event in two_attempts()) + "junk\n")
    index = Index(Recording(path))
    assert (len(index), len(index.hellos), len(index.applied)) == (20, 2, 1)


def test_a_step_is_found_in_the_attempt_that_is_shown(tmp_path: Path) -> None:
    index = Index(recorded(tmp_path / "events.jsonl", *two_attempts()))
    assert [index.find(step, 0) for step in (0, 4, 5, 22, 45, 10**9)] == [0, 0, 1, 4, 9, 9]
    assert [index.find(step, 12) for step in (0, 5, 18, 45)] == [10, 12, 19, 19]
    assert (index.attempt(3), index.attempt(10)) == (range(10), range(10, 20))


def test_a_damaged_frame_has_the_moment_before_it(tmp_path: Path) -> None:
    recording = recorded(tmp_path / "events.jsonl", hello(), frame(5))
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"type":"frame","step":}\n' + encode(frame(15)))
    recording = Recording(tmp_path / "events.jsonl")
    assert [Index(recording).moment(at).step for at in range(3)] == [5, 5, 15]


def clock(tmp_path: Path, *times: float) -> Clock:
    return Clock(Index(recorded(tmp_path / "events.jsonl", hello(), *(frame(i, time=time) for i, time in enumerate(times)))))


def test_frames_come_as_they_were_recorded(tmp_path: Path) -> None:
    shown = clock(tmp_path, 0.0, 0.5, 1.5, 3.0, 4.0)
    seen = []
    for _ in range(8):
        seen.append(shown.at)
        shown.advance(0.5)
    assert seen == [0, 1, 1, 2, 2, 2, 3, 3]


def test_none_flies_by_and_none_is_waited_for_long(tmp_path: Path) -> None:
    """Too close, too far apart, backwards in time as after a restart of the trainer, and no time at all."""
    shown = clock(tmp_path, 0.0, 0.001, 7200.0, 1.0, math.nan, 5.0)
    for gap in (SHORTEST, LONGEST, SHORTEST, SHORTEST, SHORTEST):
        before = shown.at
        shown.advance(gap * 0.9)
        assert shown.at == before
        shown.advance(gap * 0.1 + 1e-9)
        assert shown.at == before + 1


def test_speed_is_how_much_faster(tmp_path: Path) -> None:
    shown = clock(tmp_path, *(float(i) for i in range(200)))
    for _ in range(3):
        shown.faster(1)
    shown.advance(2.0)
    assert (shown.speed, shown.at) == (8.0, 16)
    for _ in range(9):
        shown.faster(-1)
    assert shown.speed == 0.5
    for _ in range(99):
        shown.faster(1)
    assert shown.speed == 64.0


def test_it_stops_at_the_end_and_plays_again_from_the_beginning(tmp_path: Path) -> None:
    shown = clock(tmp_path, 0.0, 1.0, 2.0)
    shown.advance(60.0)
    assert (shown.at, shown.playing, shown.at_end) == (2, False, True)
    shown.play(True)
    assert (shown.at, shown.playing) == (0, True)


def test_stepping_stays_and_seeking_goes_on(tmp_path: Path) -> None:
    shown = clock(tmp_path, *(float(i) for i in range(9)))
    shown.seek(4)
    assert shown.playing
    shown.advance(0.9)
    shown.seek(6)
    shown.advance(0.9)
    assert shown.at == 6  # what had passed since the frame before counts no more
    shown.step(-1)
    shown.advance(60.0)
    assert (shown.at, shown.playing) == (5, False)
    for far, at in ((99, 8), (-99, 0)):
        shown.seek(far)
        assert shown.at == at


def test_nothing_to_show_is_no_error(tmp_path: Path) -> None:
    recordings: dict[str, list[Event]] = {"a": [], "b": [hello(), End(reason="crashed", step=-1)]}
    for name, events in recordings.items():
        recording = recorded(tmp_path / name, *events)
        index = Index(recording)
        shown = Clock(index)
        shown.advance(9.0)
        shown.step(1)
        shown.seek(5)
        assert (shown.at, index.stop(0)) == (0, recording.size)
