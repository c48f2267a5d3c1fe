"""The trainer as a real process: what it writes, how it obeys, and that the same seed writes the same."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gradtui.lab import toggles
from gradtui.lab.scenario import load
from gradtui.lab.spec import Spec
from gradtui.lab.toggles import Scheduled
from gradtui.launch import Trainer, start
from gradtui.stream import commands
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Log, Value
from gradtui.stream.follower import read_all
from gradtui.stream.run_directory import RunDirectory
from tests.processes import wait_for


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def trainers() -> Iterator[list[Trainer]]:
    started: list[Trainer] = []
    yield started
    for trainer in started:
        trainer.kill()


def spec(
    name: str = "deep-sigmoid", *, device: str = "cpu", steps: int | None = 30, pace: float = 0, schedule: tuple[Scheduled, ...] = ()
) -> Spec:
    scenario = load(name)
    changes: dict[str, Value] = {"pace": pace}
    settings = toggles.initial(scenario, changes)
    return Spec(name="r", scenario=scenario, settings=settings, schedule=list(schedule), device=device, steps=steps, every=10)


def finished(run: RunDirectory, what: Spec) -> list[Event]:
    """Everything that a training to its end wrote."""
    trainer = start(what, run)
    wait_for(lambda: not trainer.alive, "the trainer's end")
    return read_all(run.events)


def frames(run: RunDirectory) -> list[Frame]:
    return [event for event in read_all(run.events) if isinstance(event, Frame)]


def answers(run: RunDirectory) -> list[Applied]:
    return [event for event in read_all(run.events) if isinstance(event, Applied)]


def answered(run: RunDirectory, id: str) -> Applied:
    wait_for(lambda: any(answer.id == id for answer in answers(run)), f"an answer to {id}")
    return next(answer for answer in answers(run) if answer.id == id)


def timeless(event: Event) -> bytes:
    """The event without what may differ between two runs of the same seed: times and the process."""
    if isinstance(event, Frame):
        event = msgspec.structs.replace(event, time=0.0, steps_per_second=None)
    if isinstance(event, Hello):
        event = msgspec.structs.replace(event, pid=0, started=0.0, born=None)
    return repr(event).encode()


def test_the_same_seed_writes_the_same_events_bit_for_bit(tmp_path: Path) -> None:
    schedule = (Scheduled(10, "batch_norm", "on"), Scheduled(20, "lr", 0.05))
    recordings = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        recordings.append(finished(RunDirectory(tmp_path / name), spec(schedule=schedule)))
    assert [timeless(event) for event in recordings[0]] == [timeless(event) for event in recordings[1]]
    kinds = [type(event).__name__ for event in recordings[0]]
    assert kinds == ["Hello", "Frame", "Applied", "Frame", "Applied", "Frame", "Frame", "End"]
    assert [event.step for event in recordings[0] if isinstance(event, Frame)] == [0, 10, 20, 29]


def test_every_line_is_json_and_hello_says_what_runs(run: RunDirectory) -> None:
    finished(run, spec("exploding-relu"))
    lines = [json.loads(line, parse_constant=pytest.fail) for line in run.events.read_text().splitlines()]
    hello, last = lines[0], lines[-1]
    assert hello["schema"] == 1
    assert hello["scenario"]["settings"]["sigma_w"] == 2.0
    assert [layer["name"] for layer in hello["layers"]][-1] == "read_out"
    assert any(toggle["key"] == "clip" for toggle in hello["toggles"])
    assert hello["versions"]["torch"]
    assert last == {"type": "end", "reason": "finished", "step": 29, "error": "", "logged": {}}
    assert any(line["type"] == "frame" and "nan" in line["delta_rms"] for line in lines)


def test_it_obeys_between_steps_and_answers_everything(run: RunDirectory, trainers: list[Trainer]) -> None:
    trainers.append(start(spec(steps=None, pace=50), run))
    wait_for(lambda: frames(run), "the first frame")
    set_lr = commands.send(run.commands, set={"lr": 0.5})
    refused = commands.send(run.commands, set={"lr": -1})
    unknown = commands.send(run.commands, set={"colour": "red"})
    with run.commands.open("ab") as file:
        file.write(b'{"id": "bad", "do": "fly"}\nnot json\n')
    stop = commands.send(run.commands, do="stop")
    assert answered(run, set_lr).value == 0.5
    assert answered(run, set_lr).reason == ""
    assert "it is a number from 0" in answered(run, refused).reason
    assert "no such toggle" in answered(run, unknown).reason
    assert "one of pause" in answered(run, "bad").reason
    assert "not a command" in answered(run, "").reason
    assert answered(run, stop).toggle == "stop"
    wait_for(lambda: not trainers[0].alive)
    end = read_all(run.events)[-1]
    assert isinstance(end, End)
    assert end.reason == "stopped"
    assert trainers[0].returncode == 0


def test_pause_step_resume_and_restart(run: RunDirectory, trainers: list[Trainer]) -> None:
    trainers.append(start(spec(steps=None, pace=200), run))
    wait_for(lambda: frames(run), "the first frame")
    paused = answered(run, commands.send(run.commands, do="pause")).step
    first = answered(run, commands.send(run.commands, do="step"))
    second = answered(run, commands.send(run.commands, do="step"))
    assert first.step == paused  # nothing was trained while it was paused
    assert second.step == paused + 1
    wait_for(lambda: frames(run)[-1].step == paused + 1, "a frame of each single step")
    answered(run, commands.send(run.commands, set={"batch_norm": True}))
    answered(run, commands.send(run.commands, do="restart"))
    wait_for(lambda: sum(isinstance(e, Hello) for e in read_all(run.events)) == 2, "the restart's hello")
    wait_for(lambda: frames(run)[-1].step == 0 or frames(run)[-1].step < paused, "frames from step 0 again")
    again = [event for event in read_all(run.events) if isinstance(event, Hello)][-1]
    assert again.attempt == 1
    assert again.scenario["settings"]["batch_norm"] == "on"


def test_asking_for_cuda_where_there_is_none_is_a_clear_error(run: RunDirectory) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    trainer = start(spec(device="cuda"), run)
    wait_for(lambda: not trainer.alive, "the trainer's end")
    end = read_all(run.events)[-1]
    assert trainer.returncode == 2
    assert isinstance(end, End)
    assert end.reason == "crashed"
    assert end.error == "device is cuda, and torch finds no CUDA device here; it is auto or cpu"
    assert "Traceback" not in run.trainer_log.read_text()


def test_an_exception_ends_the_recording_with_its_name_and_the_log_has_the_traceback(run: RunDirectory) -> None:
    """A setting is missing, which no check before the trainer lets through."""
    what = spec()
    what = msgspec.structs.replace(what, settings={key: value for key, value in what.settings.items() if key != "depth"})
    trainer = start(what, run)
    wait_for(lambda: not trainer.alive, "the trainer's end")
    end = read_all(run.events)[-1]
    assert isinstance(end, End)
    assert end.reason == "crashed"
    assert end.error == "KeyError: 'depth'"
    assert trainer.returncode == 3
    assert "Traceback" in run.trainer_log.read_text()
    assert any(isinstance(event, Log) and "KeyError" in event.text for event in read_all(run.events))


def test_sigterm_ends_it_politely_and_a_lost_lifeline_too(tmp_path: Path) -> None:
    for name in ("term", "lifeline"):
        (tmp_path / name).mkdir()
        run = RunDirectory(tmp_path / name)
        trainer = start(spec(steps=None), run)
        wait_for(lambda run=run: frames(run), "the first frame")  # type: ignore[misc]
        if name == "term":
            os.kill(trainer.pid, signal.SIGTERM)
        else:
            trainer._cut_lifeline()
        wait_for(lambda trainer=trainer: not trainer.alive, "its end")  # type: ignore[misc]
        end = read_all(run.events)[-1]
        assert isinstance(end, End)
        assert end.reason == "stopped"


def test_a_detached_trainer_outlives_its_lifeline(run: RunDirectory, trainers: list[Trainer]) -> None:
    trainers.append(start(spec(steps=None, pace=100), run))
    wait_for(lambda: frames(run), "the first frame")
    answered(run, commands.send(run.commands, do="detach"))
    trainers[0]._cut_lifeline()
    seen = frames(run)[-1].step
    wait_for(lambda: frames(run)[-1].step > seen + 400, "frames long after the lifeline ended")
    assert trainers[0].alive


def test_what_is_printed_before_the_beginning_is_recorded_after_it(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hello` comes first in every recording, whatever a user's own module prints when it is imported."""
    (tmp_path / "printing.py").write_text(
        "import torch\nprint('imported \\x1b[31m')\ndef build(): return torch.nn.Sequential(torch.nn.Linear(64, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    scenario = msgspec.structs.replace(load("healthy-mlp"), model="printing:build", settings={}, options={})
    what = msgspec.structs.replace(spec(), scenario=scenario, settings=toggles.initial(scenario))
    events = finished(run, what)
    assert [type(event).__name__ for event in events[:3]] == ["Hello", "Log", "Frame"]
    assert events[1] == Log(text="imported \x1b[31m")
    assert "imported" in run.trainer_log.read_text()


def test_a_run_that_is_left_before_it_began_says_so(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else could: whoever started it is gone."""
    (tmp_path / "slow.py").write_text("import pathlib, time\npathlib.Path('reached').touch()\ntime.sleep(600)\n")
    monkeypatch.chdir(tmp_path)
    scenario = msgspec.structs.replace(load("healthy-mlp"), model="slow:build", settings={}, options={})
    trainer = start(msgspec.structs.replace(spec(), scenario=scenario, settings=toggles.initial(scenario)), run)
    wait_for(lambda: Path("reached").exists(), "the import that takes long")
    trainer._cut_lifeline()
    wait_for(lambda: not trainer.alive, "its end")
    assert read_all(run.events) == [End(reason="stopped", step=-1)]


def test_a_restart_that_cannot_be_is_refused_and_the_training_goes_on(run: RunDirectory, trainers: list[Trainer]) -> None:
    """Toggles that wait for a restart are checked one by one; that they do not go together shows only then."""
    trainers.append(start(spec("healthy-transformer", steps=None, pace=50), run))
    wait_for(lambda: frames(run), "the first frame")
    answered(run, commands.send(run.commands, set={"width": 33}))
    refused = answered(run, commands.send(run.commands, do="restart"))
    assert "a multiple of its heads" in refused.reason
    assert trainers[0].alive
    wait_for(lambda: frames(run)[-1].step > refused.step, "a later frame")
    answered(run, commands.send(run.commands, set={"width": 16}))
    assert answered(run, commands.send(run.commands, do="restart")).reason == ""
    wait_for(lambda: sum(isinstance(e, Hello) for e in read_all(run.events)) == 2, "the restart's hello")
