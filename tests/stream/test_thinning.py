"""A recording stays under its cap for ever and keeps what people look for: events, toggles' neighbours and spikes."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtui.stream.events import Applied, End, Event, Frame, Log, encode
from gradtui.stream.follower import read_all
from gradtui.stream.thinning import thin
from gradtui.stream.writer import EventWriter
from tests.stream.strategies import applied, hellos, numbers

LAYERS = 20


def frame(step: int, norm: float | None = 1.0) -> Frame:
    return Frame(step=step, time=float(step), grad_norm=[norm] * LAYERS, grad_norm_min=[norm] * LAYERS, grad_norm_max=[norm] * LAYERS)


def frames(events: list[Event]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def rewrite(path: Path, events: list[Event], target: int) -> list[Event]:
    path.write_bytes(b"".join(map(encode, events)))
    thin(path, target)
    return read_all(path)


def test_it_stays_under_the_cap_for_ever_and_keeps_the_newest_frames(tmp_path: Path) -> None:
    path, cap = tmp_path / "events.jsonl", 100_000
    writer, biggest = EventWriter(path, cap), 0
    for step in range(3000):
        writer.append(frame(step))
        if step % 200 == 0:
            writer.append(Applied(id=str(step), step=step, toggle="lr", value=0.1))
        biggest = max(biggest, path.stat().st_size)
    writer.append(End(reason="finished", step=2999))
    assert biggest <= cap
    events = read_all(path)
    assert [e.step for e in events if isinstance(e, Applied)] == list(range(0, 3000, 200))
    assert events[-1] == End(reason="finished", step=2999)
    steps = [f.step for f in frames(events)]
    assert steps[0] == 0
    assert steps[-20:] == list(range(2980, 3000))
    assert steps == sorted(set(steps))


def test_it_stays_under_the_cap_when_every_step_prints(tmp_path: Path) -> None:
    path, cap = tmp_path / "events.jsonl", 60_000
    writer, biggest = EventWriter(path, cap), 0
    for step in range(1000):
        writer.append(frame(step))
        writer.append(Log(text=f"step {step}"))
        biggest = max(biggest, path.stat().st_size)
    assert biggest <= cap
    assert Log(text="step 999") in read_all(path)


def test_what_cannot_be_thinned_is_kept_and_not_rewritten_at_every_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer, inodes = EventWriter(path, cap=5_000), [path.stat().st_ino]
    for n in range(500):
        writer.append(Applied(id=str(n), step=n, toggle="lr", value=0.1))
        inodes.append(path.stat().st_ino)
    assert len(read_all(path)) == 500
    assert sum(now != before for before, now in itertools.pairwise(inodes)) < 20


def test_a_spike_between_frames_survives_the_merge(tmp_path: Path) -> None:
    events: list[Event] = [frame(step) for step in range(100)]
    events[31], events[40] = frame(31, norm=1e9), frame(40, norm=1e-9)
    kept = frames(rewrite(tmp_path / "events.jsonl", events, 30_000))
    assert len(kept) < 100
    assert max(f.grad_norm_max[0] or 0 for f in kept) == 1e9
    assert min(f.grad_norm_min[0] or 9 for f in kept) == 1e-9


def test_nan_wins_and_none_is_not_zero(tmp_path: Path) -> None:
    events: list[Event] = [frame(step) for step in range(60)]
    events[20] = frame(20, norm=math.nan)
    events[30:32] = [frame(30, norm=None), frame(31, norm=None)]
    kept = frames(rewrite(tmp_path / "events.jsonl", events, 25_000))
    assert any(math.isnan(f.grad_norm_max[0]) for f in kept if f.grad_norm_max[0] is not None)
    assert 0.0 not in [f.grad_norm_min[0] for f in kept]


def test_the_frames_beside_a_toggle_stay(tmp_path: Path) -> None:
    toggle = Applied(id="a", step=50, toggle="batch_norm", value=True)
    events: list[Event] = [*(frame(step) for step in range(50)), toggle, *(frame(step) for step in range(50, 100))]
    kept = rewrite(tmp_path / "events.jsonl", events, 5_000)
    at = kept.index(toggle)
    assert [event.step for event in frames([kept[at - 1], kept[at + 1]])] == [49, 50]
    assert frame(0) in kept
    assert frame(99) in kept


@given(st.lists(applied | hellos | st.builds(Frame, step=st.integers(0, 99), time=st.just(0.0), grad_norm=numbers), max_size=30))
def test_whatever_the_recording_everything_but_frames_and_logs_stays_in_order(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    kept = rewrite(tmp_path_factory.mktemp("run") / "events.jsonl", events, 0)
    assert repr([e for e in kept if not isinstance(e, Frame)]) == repr([e for e in events if not isinstance(e, Frame)])


def test_lines_of_a_later_schema_stay(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    later = b'{"type":"from a later schema"}\n'
    path.write_bytes(later + b"".join(encode(frame(step)) for step in range(20)) + later)
    thin(path, 0)
    assert path.read_bytes().startswith(later)
    assert path.read_bytes().endswith(later)
