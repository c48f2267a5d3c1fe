"""Who comes to the doctor: a scenario, a file, or a recording with all that was done to it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.errors import NoSuchScenarioError, ScenarioError
from gradtui.lab.patient import admit
from gradtui.lab.toggles import Scheduled
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Layer, encode
from gradtui.stream.run_directory import NoSuchRunError

LAYERS = [Layer(name=str(index), kind="Linear", shape=[4, 4], parameters=20) for index in range(6)]


def hello(seed: int = 7, **settings: bool | int | float | str) -> Hello:
    scenario = scenarios.load("deep-sigmoid")
    now = toggles.initial(scenario, settings)
    return Hello(
        run="it",
        scenario=msgspec.to_builtins(scenario) | {"settings": now},
        seed=seed,
        device="cpu",
        versions={},
        pid=1,
        host="here",
        started=0.0,
        layers=LAYERS,
        toggles=toggles.offered(scenario, now),
    )


def frame(step: int, decades: float) -> Frame:
    """One whose delta falls by `decades` over the hidden layers."""
    delta: list[float | None] = [10 ** (-decades * (4 - min(row, 4)) / 4) for row in range(6)]
    return Frame(step=step, time=0.0, loss=2.3, delta_rms=delta)


def record(path: Path, events: list[Event]) -> str:
    (path / "events.jsonl").write_bytes(b"".join(map(encode, events)))
    return str(path)


def test_a_scenario_is_admitted_with_its_own_seed_and_toggles() -> None:
    found = admit("dead-relu")
    assert found.settings == toggles.initial(scenarios.load("dead-relu"))
    assert (found.seed, found.schedule, found.recorded, found.attempts) == (0, [], False, 1)


def test_a_recording_brings_its_seed_its_settings_and_what_was_applied(tmp_path: Path) -> None:
    events: list[Event] = [
        hello(seed=7, lr=0.5),
        Applied(id="a", step=3, toggle="batch_norm", value="on"),
        Applied(id="b", step=4, toggle="lr", value=-1.0, reason="lr is -1"),
        Applied(id="c", step=5, toggle="pause"),
        Applied(id="d", step=6, toggle="depth", value=4, note="in force at the next restart"),
        Applied(id="e", step=9, toggle="lr", value=0.25),
        End(reason="stopped", step=11),
    ]
    found = admit(record(tmp_path, events))
    assert found.seed == 7
    assert found.settings["lr"] == 0.5
    assert found.schedule == [Scheduled(3, "batch_norm", "on"), Scheduled(9, "lr", 0.25)]
    assert found.recorded


def test_of_a_recording_with_restarts_the_last_attempt_counts(tmp_path: Path) -> None:
    ill = [frame(step, 5.0) for step in range(12)]
    first: list[Event] = [hello(lr=0.5), Applied(id="a", step=3, toggle="batch_norm", value="on"), *ill]
    last: list[Event] = [hello(lr=0.1), frame(0, 0.1)]
    found = admit(record(tmp_path, first + last))
    assert (found.settings["lr"], found.schedule, found.ill_from) == (0.1, [], None)
    assert found.attempts == 2


def test_a_recording_tells_when_it_fell_ill(tmp_path: Path) -> None:
    healthy = [frame(step, 0.2) for step in range(10)]
    ill = [frame(step, 5.0) for step in range(10, 30)]
    cured = [frame(step, 0.2) for step in range(30, 50)]
    again = [frame(step, 5.0) for step in range(50, 70)]
    found = admit(record(tmp_path, [hello(), *healthy, *ill]))
    assert found.ill_from is not None
    assert 10 < found.ill_from < 30
    assert admit(record(tmp_path, [hello(), *healthy, *ill, *cured])).ill_from == found.ill_from
    assert admit(record(tmp_path, [hello(), *healthy, *ill, *cured, *again])).ill_from == found.ill_from
    assert admit(record(tmp_path, [hello(), *healthy])).ill_from is None


def test_what_cannot_be_done_again_is_said_in_one_line(tmp_path: Path) -> None:
    own = msgspec.structs.replace(hello(), scenario={"name": "mine", "watched": True}, toggles=[])
    with pytest.raises(ScenarioError, match="training of your own"):
        admit(record(tmp_path, [own, frame(0, 1.0)]))
    with pytest.raises(ScenarioError, match="no beginning"):
        admit(record(tmp_path, [frame(0, 1.0)]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoSuchRunError, match="holds no events"):
        admit(str(tmp_path / "empty"))


@pytest.mark.parametrize("name", ["no-such-thing", "nowhere.toml", "no/where"])
def test_who_is_not_there_cannot_be_seen(name: str) -> None:
    with pytest.raises((NoSuchScenarioError, NoSuchRunError), match=name):
        admit(name)
