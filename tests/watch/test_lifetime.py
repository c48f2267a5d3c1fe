"""How a watched run begins and ends, and that the loop under it never notices."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad

import gradtui
from gradtui.stream.events import Log
from gradtui.watching import Run, seams
from tests.command import environment
from tests.command import gradtui as command
from tests.probe.steps import count_hooks
from tests.watch.recordings import Recording

SCRIPT = """
import sys, time, torch, gradtui
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.01)
run = gradtui.watch(model, optimizer, run_dir={path!r}, every=1)
for step in range({steps}):
    optimizer.zero_grad()
    loss = model(torch.randn(8, 4)).square().mean()
    loss.backward()
    optimizer.step()
    run.log(loss=loss)
{then}
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, run: Run | None = None) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(torch.randn(16, 4)).square().mean()
        loss.backward()
        clip_grad.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        if run is not None:
            run.log(loss=loss)


def script(path: Path, steps: int, then: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(path=str(path), steps=steps, then=then)]


def test_a_watched_training_ends_in_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    weights = []
    for watched in (False, True):
        model = network()
        optimizer = torch.optim.AdamW(model.parameters(), 0.01)
        run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=2) if watched else None
        train(model, optimizer, 20, run)
        if run is not None:
            run.close()
        weights.append([parameter.detach().clone() for parameter in model.state_dict().values()])
    assert len(Recording(tmp_path).frames) >= 9
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_nothing_is_left_behind_by_a_closed_run(tmp_path: Path) -> None:
    model, scaler_step, vector_norm = network(), torch.amp.GradScaler.step, torch.linalg.vector_norm
    places = [(clip_grad, seams.GROUPING), (clip_grad, seams.TOTAL), (torch.jit._recursive, seams.SCRIPTING)]
    originals = [getattr(place, name) for place, name in places]
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=2) as run:
        train(model, optimizer, 2)
        assert count_hooks(model) > 0, "armed for the next step"
        assert all(getattr(place, name) is not original for (place, name), original in zip(places, originals, strict=True))
    run.close()
    run.log(loss=1.0)
    assert count_hooks(model) == len(optimizer._optimizer_step_pre_hooks) == len(optimizer._optimizer_step_post_hooks) == 0
    assert all(getattr(place, name) is original for (place, name), original in zip(places, originals, strict=True))
    assert torch.amp.GradScaler.step is scaler_step
    assert torch.linalg.vector_norm is vector_norm
    events = len(Recording(tmp_path).events)
    train(model, optimizer, 4)
    assert len(Recording(tmp_path).events) == events


def test_watching_an_optimizer_again_closes_the_former_run(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    first = gradtui.watch(model, optimizer, run_dir=tmp_path / "a", every=1)
    train(model, optimizer, 2)
    second = gradtui.watch(model, optimizer, run_dir=tmp_path / "b", every=1)
    train(model, optimizer, 3)
    second.close()
    assert not first.active
    assert [Recording(tmp_path / name).end.step for name in ("a", "b")] == [1, 2]


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [(ValueError("nonsense"), "crashed", "ValueError: nonsense"), (KeyboardInterrupt(), "stopped", ""), (SystemExit(0), "finished", "")],
)
def test_a_loop_that_raises_ends_its_run_and_still_raises(tmp_path: Path, error: BaseException, reason: str, text: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def loop() -> None:
        with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
            train(model, optimizer, 3)
            raise error

    with pytest.raises(type(error)):
        loop()
    end = Recording(tmp_path).end
    assert (end.reason, end.error, end.step) == (reason, text, 2)


def test_what_is_logged_after_the_last_frame_is_in_the_end(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=10) as run:
        train(model, optimizer, 15, run)
        run.log(loss=torch.tensor(0.25), eval_loss=0.125)
    recording = Recording(tmp_path)
    assert recording.frames[-1].step == 10
    assert recording.end.logged == {"loss": 0.25, "eval_loss": 0.125}


@pytest.mark.parametrize("value", ["0.5 nats", None, [1.0, 2.0], torch.ones(3)], ids=["text", "None", "list", "vector"])
def test_what_is_logged_and_is_no_number_is_left_out_with_one_warning(tmp_path: Path, value: object) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for _ in range(3):
                train(model, optimizer, 1)
                run.log(loss=1.0, score=value)  # type: ignore[arg-type]
        assert ["score was logged as" in str(warning.message) for warning in warned] == [True]
        assert run.active
    frames = Recording(tmp_path).frames
    assert [frame.loss for frame in frames] == [1.0] * 3
    assert not any("score" in frame.metrics for frame in frames)


def test_nothing_is_logged_twice(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        train(model, optimizer, 3, run)
    assert Recording(tmp_path).end.logged == {}


def test_a_crash_after_which_no_number_can_be_read_is_told_as_the_crash(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    unreadable = torch.empty((), device="meta")  # as every tensor is on a CUDA device that has failed

    def loop() -> None:
        with gradtui.watch(model, optimizer, run_dir=tmp_path, every=10) as run:
            train(model, optimizer, 3)
            run.log(loss=unreadable)
            raise RuntimeError("device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side"):
        loop()
    end = Recording(tmp_path).end
    assert (end.reason, end.error) == ("crashed", "RuntimeError: device-side assert triggered")


@pytest.mark.parametrize(
    ("lines", "reason", "error"),
    [
        (["1 / 0", "exec(loop)"], "finished", ""),
        (["exec(loop)", "1 / 0"], "stopped", "ZeroDivisionError: division by zero"),
    ],
    ids=["before it", "after it"],
)
def test_an_error_at_a_prompt_is_the_loops_own_only_if_it_came_after_it(tmp_path: Path, lines: list[str], reason: str, error: str) -> None:
    """Whoever works at a prompt goes on after an error. Catches the last one printed taken for the one that ended the loop."""
    loop = SCRIPT.format(path=str(tmp_path / "run"), steps=4, then="")
    typed = "\n".join([f"loop = {loop!r}", *lines, ""])
    subprocess.run([sys.executable, "-i", "-q"], input=typed, text=True, capture_output=True, env=environment(tmp_path), timeout=300)
    end = Recording(tmp_path / "run").end
    assert (end.reason, end.error) == (reason, error)


@pytest.mark.parametrize(("then", "reason", "code"), [("", "finished", 0), ("1 / 0", "crashed", 3)], ids=["falls off its end", "raises"])
def test_a_script_that_never_closes_its_run(tmp_path: Path, then: str, reason: str, code: int) -> None:
    subprocess.run(script(tmp_path / "run", 3, then), env=environment(tmp_path), stderr=subprocess.DEVNULL, timeout=300)
    recording = Recording(tmp_path / "run")
    assert recording.end.reason == reason
    assert [frame.step for frame in recording.frames] == [0, 1, 2]
    assert all(frame.loss is not None for frame in recording.frames)
    assert command(tmp_path, "attach", tmp_path / "run", "--headless").returncode == code


def test_a_killed_script_leaves_a_recording_that_says_where_it_was(tmp_path: Path) -> None:
    with subprocess.Popen(script(tmp_path / "run", 5, "print('ready', flush=True); time.sleep(300)"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    attached = command(tmp_path, "attach", tmp_path / "run", "--headless")
    assert attached.returncode == 3
    assert "gone" in attached.stderr or "ended" in attached.stderr, attached.stderr
    assert [frame.step for frame in Recording(tmp_path / "run").frames][:4] == [0, 1, 2, 3]


def test_a_failure_of_its_own_switches_it_off_with_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=1)
    train(model, optimizer, 2)
    run._gathering.clocks[0].probe._norms.parameters.append(object())  # type: ignore[arg-type]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(model, optimizer, 3, run)
    assert len(caught) == 1
    assert "gradtui stopped watching: AttributeError" in str(caught[0].message)
    assert not run.active
    recording = Recording(tmp_path)
    assert "gradtui stopped watching" in recording.end.error
    assert any(isinstance(event, Log) and "Traceback" in event.text for event in recording.events)


def test_a_failure_of_its_own_at_the_beginning_switches_it_off_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("at the beginning")

    monkeypatch.setattr("gradtui.watching.discovery.Discovery.start", broken)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with pytest.warns(UserWarning, match="stopped watching: RuntimeError: at the beginning; the training goes on"):
        run = gradtui.watch(model, optimizer, run_dir=tmp_path)
    assert not run.active
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    assert "at the beginning" in Recording(tmp_path).end.error


def test_warnings_that_are_errors_do_not_reach_the_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=1)
    train(model, optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shutil.rmtree(tmp_path)
        train(model, optimizer, 3)
    assert not run.active
    assert "gradtui stopped watching" in capsys.readouterr().err


def test_a_run_directory_that_vanishes_ends_the_watching_not_the_training(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = gradtui.watch(model, optimizer, run_dir=tmp_path / "run", every=1)
    train(model, optimizer, 2)
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(UserWarning, match="the run directory is gone"):
        train(model, optimizer, 3)
    assert not run.active
    assert count_hooks(model) == 0


def test_nowhere_to_record_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with pytest.warns(UserWarning, match="cannot record"), gradtui.watch(model, optimizer, run_dir=tmp_path) as run:
        train(model, optimizer, 2, run)
    assert run.directory is None
    assert len(optimizer._optimizer_step_pre_hooks) == 0


def test_where_else_to_record_is_told_in_the_loops_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    model = network()
    with pytest.warns(UserWarning, match="Not a directory; name another with run_dir=$"):
        gradtui.watch(model, torch.optim.SGD(model.parameters(), 0.01))


def test_an_optimizer_is_watched_again_after_its_run_is_gone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with pytest.warns(UserWarning, match="cannot record"):
        gradtui.watch(model, optimizer, run_dir=tmp_path)  # nobody keeps this run
    gc.collect()
    with gradtui.watch(model, optimizer, run_dir=tmp_path / "again", every=1) as run:
        train(model, optimizer, 2, run)
    assert len(Recording(tmp_path / "again").frames) == 2


def test_a_watched_model_is_freed_with_its_optimizer_and_its_run_ends(tmp_path: Path) -> None:
    """A sweep, or a notebook's cell that is run again, must not keep every network of before."""
    grouping = vars(clip_grad)[seams.GROUPING]

    def train_one() -> weakref.ref[nn.Module]:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        gradtui.watch(model, optimizer, run_dir=tmp_path, every=2)
        train(model, optimizer, 6)
        return weakref.ref(model)

    model = train_one()
    gc.collect()
    assert model() is None
    end = Recording(tmp_path).end
    assert (end.reason, end.step) == ("finished", 5)
    assert vars(clip_grad)[seams.GROUPING] is grouping


def test_an_optimizer_of_another_model_is_warned_of(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD(network().parameters(), 0.01)
    with pytest.warns(UserWarning, match="no parameter of the model"):
        gradtui.watch(network(), optimizer, run_dir=tmp_path).close()


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ("train.py", "train"),
        ("/x/pkg/__main__.py", "pkg"),
        ("-c", "watched"),
        ("", "watched"),
        ("-m", "watched"),
        ("/x/ipykernel_launcher.py", "notebook"),
    ],
)
def test_a_run_is_called_after_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: str, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [argv])
    model = network()
    gradtui.watch(model, torch.optim.SGD(model.parameters(), 0.01), run_dir=tmp_path).close()
    assert Recording(tmp_path).hellos[0].run == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "every is 0"),
        ({"every": 2.5}, "every is 2.5"),
        ({"every": "10"}, "every is '10'"),
        ({"rate": 0.0}, "rate is 0"),
        ({"share": 2.0}, "share is 2"),
        ({"optimizer": "adam"}, "holds a str"),
        ({"optimizer": None}, "optimizer is a NoneType"),
        ({"optimizer": nn.Linear(1, 1)}, "optimizer is a Linear"),
        ({"optimizer": []}, "no optimizer"),
        ({"model": None}, "model is a NoneType"),
        ({"model": [nn.Linear(1, 1)]}, "model is a list; .* go by name"),
        ({"model": {}}, "no model"),
    ],
)
def test_arguments_that_cannot_be_right_are_refused(arguments: dict[str, object], message: str) -> None:
    model = network()
    call = {"model": model, "optimizer": torch.optim.SGD(model.parameters(), 0.01)} | arguments
    with pytest.raises((TypeError, ValueError), match=message):
        gradtui.watch(**call)  # type: ignore[arg-type]


CHILD = """
import multiprocessing, sys, torch, gradtui
def train(path, error):
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    gradtui.watch(model, optimizer, run_dir=path, every=1)
    for _ in range(3):
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    try:
        if error: raise error
    except ArithmeticError:
        sys.exit(1)  # as torch.multiprocessing.spawn does
torch.optim.SGD(torch.nn.Linear(1, 1).parameters())  # the first one imports half of torch: once here, not in every child
for path, error in zip(sys.argv[1:], (None, ValueError("no luck"), SystemExit(0), SystemExit(3), ArithmeticError("nan"))):
    process = multiprocessing.get_context("fork").Process(target=train, args=(path, error))
    process.start()
    process.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_of_multiprocessings_ends_its_run_as_it_ends(tmp_path: Path) -> None:
    """It is left by `os._exit`. Catches the last frame and the end lost, and a crash that is told as a success."""
    paths = [tmp_path / str(number) for number in range(5)]
    subprocess.run([sys.executable, "-c", CHILD, *map(str, paths)], env=environment(tmp_path), stderr=subprocess.DEVNULL, timeout=300)
    recordings = [Recording(path) for path in paths]
    assert [(recording.end.reason, recording.end.error) for recording in recordings] == [
        ("finished", ""),
        ("crashed", "ValueError: no luck"),
        ("finished", ""),
        ("crashed", "SystemExit: 3"),
        ("crashed", "ArithmeticError: nan"),
    ]
    assert all([frame.step for frame in recording.frames] == [0, 1, 2] for recording in recordings)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_writes_nothing_into_its_parents_recording_and_is_told_so_if_it_trains(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        train(model, optimizer, 2)
        before = (tmp_path / "events.jsonl").read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                for _ in range(20):
                    optimizer.step()  # no backward pass: threads do not survive a fork
            run.close()
            told = ["is not recorded" in str(warning.message) for warning in warned] == [True]
            os._exit(0 if told and (tmp_path / "events.jsonl").read_bytes() == before else 1)
        assert os.waitpid(child, 0)[1] == 0
        train(model, optimizer, 1)
    assert [frame.step for frame in Recording(tmp_path).frames] == [0, 1, 2]
