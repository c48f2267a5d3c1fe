"""Any place of a recording has the state that reading it up to there gives: field by field, warnings and all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gradtui.diagnose import rewind
from gradtui.diagnose.rewind import Rewind, fold
from gradtui.diagnose.state import RunState
from gradtui.stream.events import Event, encode
from gradtui.stream.recording import Recording
from tests.diagnose.streams import applied, frame, hello


def story() -> list[Event]:
    """Sick, cured, sick again in a second attempt: warnings open and close throughout."""
    events: list[Event] = [hello()]
    events += [frame(5 * i, -3.0) for i in range(40)]
    events += [applied(200, "batch_norm", "on"), *(frame(200 + 5 * i) for i in range(40))]
    return [*events, hello(attempt=1), *(frame(5 * i, 3.0 if i > 20 else 0.0, loss=2.0 / (i + 1)) for i in range(60))]


def told(state: RunState) -> object:
    """What is known, without what the next events will be judged by."""
    history = [series.points for series in (state.history.loss, state.history.total_norm, state.history.clipped_norm)]
    now = (state.hello, state.frame, state.first, state.ghost, state.settings, state.attempt, state.end)
    return now, state.open, state.warnings, history, state.history.marks


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    monkeypatch.setattr(rewind, "LEAST", 4096)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(map(encode, story())))
    return Recording(path)


def test_every_place_has_the_state_that_reading_to_it_gives(recording: Recording) -> None:
    judged = Rewind(recording, recording.size)
    while not judged.done:
        judged.judge(3000)
    places, place = [], 0
    for event in story():
        place += len(encode(event))
        places.append(place)
    rng = random.Random(0)
    for place in [*rng.sample(places, 30), places[-1], 0]:
        near, state = judged.before(place)
        assert 0 <= place - near < 3 * judged.spacing
        fold(recording, state, near, place)
        whole = RunState()
        fold(recording, whole, 0, place)
        assert told(state) == told(whole)


def test_a_snapshot_goes_on_judging_as_if_nothing_had_happened(recording: Recording) -> None:
    """The streaks behind hysteresis are in it too: the edges that follow come at the same steps."""
    judged = Rewind(recording, recording.size)
    while not judged.done:
        judged.judge(3000)
    whole = RunState()
    fold(recording, whole, 0, recording.size)
    assert {edge.code for edge in whole.warnings} >= {"exploding"}
    for place in range(0, recording.size, recording.size // 40):
        near, state = judged.before(place)
        fold(recording, state, near, recording.size)
        assert told(state) == told(whole)


def test_a_state_that_was_given_away_is_not_the_next_ones(recording: Recording) -> None:
    judged = Rewind(recording, recording.size)
    while not judged.done:
        judged.judge(3000)
    near, state = judged.before(recording.size // 2)
    before = told(judged.before(recording.size // 2)[1])
    fold(recording, state, near, recording.size)
    assert told(judged.before(recording.size // 2)[1]) == before


def test_only_what_is_judged_is_near(recording: Recording) -> None:
    judged = Rewind(recording, recording.size)
    assert judged.near(1000)
    assert not judged.near(recording.size)
    judged.judge(recording.size // 2)
    assert judged.near(judged.reached)
    assert not judged.near(recording.size)
    assert 0.4 < judged.share < 0.6
    while not judged.done:
        judged.judge(1)  # a line at the least: it ends
    assert judged.near(recording.size)
    assert judged.share == 1.0


def test_an_empty_recording_is_judged(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"")
    judged = Rewind(Recording(tmp_path / "events.jsonl"), 0)
    assert (judged.done, judged.near(0), judged.share) == (True, True, 1.0)
