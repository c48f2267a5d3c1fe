"""A viewer's commands to a watched loop: off unless asked for, exact, recorded and undone."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

import gradtui
from gradtui.stream import commands
from gradtui.stream.events import Applied, Value
from gradtui.ui.toggles import HOTKEYS
from gradtui.watching import Run
from tests.processes import wait_for
from tests.watch.recordings import Recording, norm


class Loop:
    """SGD with a scheduler, a step at a time."""

    def __init__(self, path: Path, control: bool = True, every: int = 1) -> None:
        torch.manual_seed(0)
        self.path = path
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.5)
        self.run: Run = gradtui.watch(self.model, self.optimizer, run_dir=path, every=every, control=control)

    def step(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The gradients, and how the parameters changed."""
        before = copy.deepcopy(list(self.model.parameters()))
        self.optimizer.zero_grad()
        (10 * self.model(torch.randn(16, 6)).square().mean()).backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.model.parameters()]
        self.optimizer.step()
        self.scheduler.step()
        return gradients, [(a - b).detach() for a, b in zip(before, self.model.parameters(), strict=True)]

    def set(self, **settings: Value) -> None:
        commands.send(self.path / "commands.jsonl", set=dict(settings))

    def answers(self) -> list[Applied]:
        return [event for event in Recording(self.path).events if isinstance(event, Applied)]


def test_without_control_a_viewer_can_only_look(tmp_path: Path) -> None:
    loop = Loop(tmp_path, control=False)
    loop.step()
    loop.set(lr_scale=0.0)
    loop.step()
    _, change = loop.step()
    loop.run.close()
    assert norm(*change) > 0
    assert loop.answers() == []
    assert Recording(tmp_path).hellos[0].toggles == []


def test_every_toggle_has_a_key_of_its_own(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.step()
    loop.run.close()
    keys = [toggle.hotkey for toggle in Recording(tmp_path).hellos[0].toggles]
    assert len(keys) == len(set(keys)) == 5
    assert set(keys) <= set(HOTKEYS)


def test_the_learning_rate_is_scaled_under_the_loops_own_scheduler(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.step()
    loop.set(lr_scale=3)
    loop.step()  # the command is heard at the end of this one
    gradients, change = loop.step()
    assert loop.optimizer.param_groups[0]["lr"] == 0.1 * 0.5**3, "the scheduler's, untouched"
    for gradient, moved in zip(gradients, change, strict=True):
        assert torch.allclose(moved, 3 * 0.1 * 0.5**2 * gradient, rtol=1e-4, atol=1e-7)
    loop.set(lr_scale=1)
    loop.step()
    gradients, change = loop.step()
    assert torch.allclose(change[0], 0.1 * 0.5**4 * gradients[0], rtol=1e-3, atol=1e-7)
    loop.run.close()
    assert [(answer.toggle, answer.value, answer.step, answer.reason) for answer in loop.answers()] == [
        ("lr_scale", 3.0, 2, ""),
        ("lr_scale", 1.0, 4, ""),
    ]
    assert Recording(tmp_path).frames[2].lr == pytest.approx(3 * 0.1 * 0.5**2)


def test_gradients_are_clipped_and_shown_before_and_after(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.set(clip_norm=0.01)
    loop.step()
    gradients, change = loop.step()
    loop.run.close()
    assert norm(*change) == pytest.approx(0.1 * 0.5 * 0.01, rel=1e-3)
    frame = Recording(tmp_path).frames[1]
    assert frame.total_norm == pytest.approx(norm(*gradients), rel=1e-5)
    assert frame.clipped_norm == pytest.approx(0.01, rel=1e-3)


def test_a_frozen_layer_stands_still_until_it_is_thawed(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.step()
    loop.set(freeze="0")
    loop.step()
    _, change = loop.step()
    assert norm(*change[:2]) == 0 < norm(*change[2:])
    loop.set(freeze="none")
    loop.step()
    _, change = loop.step()
    assert norm(*change[:2]) > 0
    loop.set(freeze="2")
    loop.step()
    loop.run.close()
    assert all(parameter.requires_grad for parameter in loop.model.parameters()), "a closed run leaves nothing frozen"
    assert len(Recording(tmp_path).hellos) == 1


def test_a_checkpoint_holds_the_model_and_the_optimizer(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.set(checkpoint="save")
    loop.step()
    weights = copy.deepcopy(loop.model.state_dict())
    loop.step()
    loop.run.close()
    saved = torch.load(tmp_path / "checkpoint-1.pt")
    assert all(torch.equal(saved["models"][0][name], weight) for name, weight in weights.items())
    assert saved["optimizers"][0]["param_groups"][0]["lr"] == 0.1
    assert "checkpoint-1.pt" in loop.answers()[0].note
    assert loop.answers()[0].value is None, "nothing stays changed"


def test_a_paused_loop_waits_steps_once_and_goes_on(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    taken: list[int] = []
    path = tmp_path / "commands.jsonl"
    commands.send(path, do="pause")

    def train() -> None:
        for step in range(4):
            loop.step()
            taken.append(step)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    wait_for(loop.answers, "the pause")
    assert taken == []
    commands.send(path, do="step")
    wait_for(lambda: taken == [0])
    commands.send(path, do="resume")
    thread.join(60)
    assert taken == [0, 1, 2, 3]
    loop.run.close()


@pytest.mark.parametrize("logging", [True, False], ids=["logs after its step", "logs nothing"])
def test_every_step_made_while_paused_has_its_frame_before_the_next_is_asked_for(tmp_path: Path, logging: bool) -> None:
    loop = Loop(tmp_path, every=1000)
    path = tmp_path / "commands.jsonl"

    def train() -> None:
        for step in range(6):
            loop.step()
            if step == 1:
                commands.send(path, do="pause")
            if logging:
                loop.run.log(loss=float(step))

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    wait_for(loop.answers, "the pause")
    held = 1 if logging else 2
    for step in (held + 1, held + 2):
        commands.send(path, do="step")
        wait_for(lambda: [frame.step for frame in Recording(tmp_path).frames] == [0, *range(held + 1, step + 1)])  # noqa: B023
    commands.send(path, do="resume")
    thread.join(60)
    loop.run.close()
    assert [frame.loss for frame in Recording(tmp_path).frames] == ([0.0, 2.0, 3.0] if logging else [None] * 3)


def test_activations_are_exchanged_and_put_back_under_the_optimizers_state(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    built = loop.model[1]
    loop.optimizer.param_groups[0]["momentum"] = 0.9
    loop.step()
    weight = next(loop.model.parameters())
    momentum = loop.optimizer.state[weight]["momentum_buffer"]
    loop.set(activation="relu")
    loop.step()
    x = torch.randn(5, 6)
    assert torch.equal(loop.model(x), loop.model[2](loop.model[0](x).relu()))
    assert loop.optimizer.state[weight]["momentum_buffer"] is momentum
    loop.step()
    loop.step()
    loop.set(activation="own")
    loop.step()
    assert loop.model[1] is built
    loop.step()
    loop.step()
    loop.set(activation="sigmoid")
    loop.step()
    loop.run.close()
    assert loop.model[1] is built, "a closed run leaves the network as it was"
    recording = Recording(tmp_path)
    assert [(answer.value, answer.reason) for answer in loop.answers()] == [("relu", ""), ("own", ""), ("sigmoid", "")]
    assert len(recording.hellos) == 1
    assert [layer.name for layer in recording.hellos[0].layers] == ["0", "2"]
    by_step = {frame.step: frame for frame in recording.frames}
    assert by_step[3].dead[0] is not None, "the frames describe the rectifier"
    assert by_step[3].saturated[0] is None
    assert by_step[6].saturated[0] is not None, "and the tanh that is back"


class Functional(nn.Module):
    """Calls its activation as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.inner(x).tanh())  # type: ignore[no-any-return]


@pytest.mark.parametrize("how", ["functional", "compiled"])
def test_activations_that_cannot_be_exchanged_are_refused_with_the_reason(tmp_path: Path, how: str) -> None:
    model = Functional() if how == "functional" else nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    forward = torch.compile(model, backend="eager") if how == "compiled" else model
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1, control=True):
        for step in range(3):
            forward(torch.randn(4, 6)).square().mean().backward()
            optimizer.step()
            if step == 0:
                commands.send(tmp_path / "commands.jsonl", set={"activation": "relu"})
    (answer,) = (event for event in Recording(tmp_path).events if isinstance(event, Applied))
    assert {"functional": "no activation modules", "compiled": "the model is compiled"}[how] in answer.reason


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"lr_scale": -1.0}, "at least 0"),
        ({"lr_scale": "big"}, "a number"),
        ({"freeze": "9"}, "one of none, 0, 2"),
        ({"skip": True}, "no such toggle"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_reason(tmp_path: Path, sent: dict[str, Value], reason: str) -> None:
    loop = Loop(tmp_path)
    loop.step()
    loop.set(**sent)
    commands.send(tmp_path / "commands.jsonl", do="stop")
    loop.step()
    loop.run.close()
    assert reason in loop.answers()[0].reason
    assert "cannot be told to stop" in loop.answers()[1].reason


def test_all_that_is_trained_cannot_be_frozen(tmp_path: Path) -> None:
    """A backward pass without anything to give a gradient to ends a loop."""
    loop = Loop(tmp_path)
    for parameter in list(loop.model.parameters())[2:]:
        parameter.requires_grad_(False)
    loop.step()
    loop.set(freeze="0")
    loop.step()
    loop.step()
    loop.run.close()
    assert "is all that is trained" in loop.answers()[0].reason


def test_a_checkpoint_that_cannot_be_written_is_answered_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("no space left")

    monkeypatch.setattr(torch, "save", full)
    loop = Loop(tmp_path)
    loop.set(checkpoint="save")
    loop.step()
    loop.step()
    assert loop.run.active
    loop.run.close()
    assert "no space left" in loop.answers()[0].reason
    assert not list(tmp_path.glob("*.pt"))


def test_a_step_that_raises_does_not_scale_the_learning_rate_twice(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.set(lr_scale=0.5)
    loop.step()

    def broken() -> float:
        raise ArithmeticError

    for _ in range(3):
        with pytest.raises(ArithmeticError):
            loop.optimizer.step(broken)
    loop.run.close()
    assert loop.optimizer.param_groups[0]["lr"] == 0.1 * 0.5
