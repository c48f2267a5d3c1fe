"""The gradients recorded of loops that gradtui did not write are those worked out by hand, at three steps."""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

import gradtui
from tests.watch.recordings import Recording, close_to, gradient_norms, norm

STEPS = 3


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


LINEARS = ("0", "2", "4")


def check(path: Path, expected: list[dict[str, float]]) -> Recording:
    recording = Recording(path)
    assert [frame.step for frame in recording.frames] == list(range(len(expected)))
    for step, layers in enumerate(expected):
        for layer, value in layers.items():
            assert recording.at(step, "grad_norm", layer) == close_to(value), (step, layer)
    return recording


@pytest.mark.parametrize("optimizer_class", [torch.optim.SGD, torch.optim.AdamW])
def test_of_a_plain_loop(tmp_path: Path, optimizer_class: type[torch.optim.Optimizer]) -> None:
    model, expected, weights = mlp(), [], []
    optimizer = optimizer_class(model.parameters(), lr=0.05)  # type: ignore[call-arg]
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = model(torch.randn(16, 6)).square().mean()
            loss.backward()
            expected.append(gradient_norms(model, LINEARS))
            weights.append([parameter.detach().clone() for parameter in model.parameters()])
            optimizer.step()
            run.log(loss=loss)
    weights.append([parameter.detach().clone() for parameter in model.parameters()])
    recording = check(tmp_path, expected)
    for step in range(STEPS):
        before, after = weights[step][2], weights[step + 1][2]
        assert recording.at(step, "update_ratio", "2") == pytest.approx(norm(after - before) / norm(before), rel=1e-4)
        assert recording.frames[step].total_norm == close_to(norm(*map(torch.tensor, expected[step].values())))
    assert recording.end.reason == "finished"
    assert recording.frames[2].loss == pytest.approx(loss.item())


def test_delta_and_activations_are_the_frames_own_forward_passes(tmp_path: Path) -> None:
    model, expected, means = mlp(), [], []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=2):
        for _ in range(5):
            first, second = torch.randn(4, 6), torch.randn(4, 6)
            twin = copy.deepcopy(model)
            z = twin[0](torch.cat([first, second]))
            z.retain_grad()
            twin[1:](z).square().sum().backward()
            expected.append(z.grad.square().mean().sqrt().item())
            means.append(z.tanh().mean().item())
            optimizer.zero_grad()
            for micro_batch in (first, second):
                model(micro_batch).square().sum().backward()
            optimizer.step()
            with torch.no_grad():
                model(100 * torch.randn(9, 6))  # an evaluation is not the step's
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 2, 4]
    for step in (2, 4):
        assert recording.at(step, "delta_rms", "0") == pytest.approx(expected[step], rel=1e-5)
        assert recording.at(step, "activation_mean", "0") == pytest.approx(means[step], rel=1e-4)


def test_accumulated_over_micro_batches_and_several_losses(tmp_path: Path) -> None:
    model, expected = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            batches = [torch.randn(4, 6) for _ in range(3)]
            twin = copy.deepcopy(model)
            twin.zero_grad()
            sum((twin(x).square().mean() + twin(x).abs().mean() for x in batches), torch.zeros(())).backward()
            expected.append(gradient_norms(twin, LINEARS))
            for x in batches:
                output = model(x)
                output.square().mean().backward(retain_graph=True)
                output.abs().mean().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    recording = Recording(tmp_path)
    for step in range(STEPS):
        assert recording.at(step, "grad_norm", "0") == pytest.approx(expected[step]["0"], rel=1e-5)


@pytest.mark.parametrize("how", ["norm", "value"])
def test_before_and_after_the_loop_clips_them(tmp_path: Path, how: str) -> None:
    model, before, after = mlp(), [], []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (10 * model(torch.randn(16, 6)).square().mean()).backward()
            before.append(gradient_norms(model, LINEARS))
            clip_grad_norm_(model.parameters(), 0.5) if how == "norm" else clip_grad_value_(model.parameters(), 0.05)
            after.append(norm(*(parameter.grad for parameter in model.parameters())))
            optimizer.step()
    recording = check(tmp_path, before)
    for step, frame in enumerate(recording.frames):
        assert frame.total_norm == close_to(norm(*map(torch.tensor, before[step].values())))
        assert frame.clipped_norm == close_to(after[step])
        assert frame.clipped_norm is not None
        assert frame.total_norm is not None
        assert frame.clipped_norm < frame.total_norm


def test_before_they_are_clipped_in_a_thread_that_did_not_begin_the_watching(tmp_path: Path) -> None:
    model, before = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def train() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            (10 * model(torch.randn(16, 6)).square().mean()).backward()
            before.append(gradient_norms(model, LINEARS))
            clip_grad_norm_(model.parameters(), 0.01)
            optimizer.step()

    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        thread = Thread(target=train)
        thread.start()
        thread.join()
    check(tmp_path, before)


def test_each_part_of_a_model_clipped_by_itself(tmp_path: Path) -> None:
    model, before, after = mlp(), [], []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (10 * model(torch.randn(16, 6)).square().mean()).backward()
            before.append(gradient_norms(model, LINEARS))
            for part in (model[4], model[:4]):
                clip_grad_norm_(part.parameters(), 0.1)
            after.append(norm(*(parameter.grad for parameter in model.parameters())))
            optimizer.step()
    recording = check(tmp_path, before)
    assert [frame.clipped_norm for frame in recording.frames] == [close_to(value) for value in after]


def test_of_a_step_whose_clipped_gradients_were_thrown_away(tmp_path: Path) -> None:
    """A loop that skips a step after looking at its norm: the next step's gradients are not the skipped one's."""
    model, expected = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for attempt in range(2 * STEPS):
            (100 ** (attempt % 2) * model(torch.randn(16, 6)).square().mean()).backward()
            measured = gradient_norms(model, LINEARS)
            clip_grad_norm_(model.parameters(), 1.0)
            if attempt % 2:
                expected.append(measured)
                optimizer.step()
            optimizer.zero_grad(set_to_none=attempt < STEPS)
    recording = check(tmp_path, expected)
    assert recording.frames[1].grad_norm_max == recording.frames[1].grad_norm


def test_of_a_closure_are_those_of_its_first_evaluation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    lstm, read_out = nn.LSTM(3, 5, batch_first=True).double(), nn.Linear(5, 1).double()
    model = nn.ModuleDict({"lstm": lstm, "read_out": read_out})
    x, y = torch.randn(8, 7, 3).double(), torch.randn(8, 7, 1).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    evaluations: list[tuple[dict[str, float], float]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = (read_out(lstm(x)[0]) - y).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        evaluations.append((gradient_norms(model, ("lstm", "read_out")), loss.item()))
        return loss

    first = []
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            first.append(len(evaluations))
            optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert len(evaluations) > STEPS
    recording = check(tmp_path, [evaluations[index][0] for index in first])
    assert [frame.loss for frame in recording.frames] == [pytest.approx(evaluations[index][1]) for index in first]


def test_of_a_gan_belong_to_each_networks_own_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    critic, generator = (
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
        nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)),
    )
    critic_optimizer, generator_optimizer = torch.optim.SGD(critic.parameters(), 0.1), torch.optim.SGD(generator.parameters(), 0.1)
    of_critic, of_generator = [], []
    networks = {"critic": critic, "generator": generator}
    with gradtui.watch(networks, [critic_optimizer, generator_optimizer], run_dir=tmp_path, every=1) as run:
        for _ in range(4):
            generator_optimizer.zero_grad()
            (-critic(generator(torch.randn(16, 3))).mean()).backward()
            of_generator.append(gradient_norms(generator, ("0", "2")))
            generator_optimizer.step()

            critic_optimizer.zero_grad()
            real, generated = torch.randn(16, 2), generator(torch.randn(16, 3)).detach()
            points = real.clone().requires_grad_()
            slope = torch.autograd.grad(critic(points).sum(), points, create_graph=True)[0]
            loss = critic(generated).mean() - critic(real).mean() + (slope.norm(dim=1) - 1).square().mean()
            loss.backward()
            of_critic.append(gradient_norms(critic, ("0", "2")))
            critic_optimizer.step()
            run.log(loss=loss)
    recording = Recording(tmp_path)
    assert [layer.group for layer in recording.hellos[0].layers] == ["critic", "critic", "generator", "generator"]
    assert [frame.step for frame in recording.frames] == [0, 1, 2, 3]
    for step in range(4):
        for layer in ("0", "2"):
            assert recording.at(step, "grad_norm", layer, "critic") == close_to(of_critic[step][layer])
            assert recording.at(step, "grad_norm", layer, "generator") == close_to(of_generator[step][layer])
    # δ at the critic's output is that of its own loss, ±1/16 for each of 32 points, not that of the generator's.
    assert recording.at(2, "delta_rms", "2", "critic") == pytest.approx(1 / 16, rel=1e-5)


def test_of_one_model_under_two_optimizers_keep_the_networks_order(tmp_path: Path) -> None:
    model, expected = mlp(), []
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    first, second, third = (parameter for parameter in model.parameters() if parameter.ndim == 2)
    optimizers = [torch.optim.SGD([second, first], 0.05), torch.optim.AdamW([*biases, third], 0.01)]
    with gradtui.watch(model, optimizers, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            model.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            expected.append(gradient_norms(model, LINEARS))
            for optimizer in optimizers:
                optimizer.step()
    recording = check(tmp_path, expected)
    assert recording.names == list(LINEARS)
    assert all(value is not None for value in recording.frames[-1].delta_rms), "the second optimizer's rows keep their deltas"


def test_of_a_compiled_model_are_exact_and_delta_is_said_to_be_off(tmp_path: Path) -> None:
    for place, watched_is_compiled in enumerate((True, False)):
        model, expected = mlp(), []
        compiled: Any = torch.compile(model, backend="eager")
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        path = tmp_path / str(place)
        with gradtui.watch(compiled if watched_is_compiled else model, optimizer, run_dir=path, every=1):
            for _ in range(STEPS):
                optimizer.zero_grad()
                compiled(torch.randn(16, 6)).square().mean().backward()
                expected.append(gradient_norms(model, LINEARS))
                optimizer.step()
        recording = check(path, expected)
        assert recording.hellos[0].scenario["delta"] is False
        assert any("compiled" in getattr(event, "text", "") for event in recording.events)
        assert all(frame.delta_rms == [] for frame in recording.frames)


def test_of_a_model_compiled_while_it_trains_are_exact_and_delta_is_said_to_be_gone(tmp_path: Path) -> None:
    model, expected = mlp(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for step in range(12):
            if step == 4:
                model.compile(backend="eager")
            optimizer.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            expected.append(gradient_norms(model, LINEARS))
            optimizer.step()
    recording = check(tmp_path, expected)
    assert None not in recording.frames[3].delta_rms
    texts = [text for event in recording.events if "compiled" in (text := getattr(event, "text", ""))]
    assert len(texts) == 1
    assert "since step 3 " in texts[0]


def test_of_every_kind_of_parameter(tmp_path: Path) -> None:
    torch.manual_seed(0)

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4, sparse=True)
            self.base = nn.Linear(4, 4).requires_grad_(False)
            self.adapter = nn.Linear(4, 4, dtype=torch.complex64)
            self.read_out = nn.Linear(4, 7, dtype=torch.float64)
            self.unused = nn.Linear(2, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            z = self.adapter(self.base(self.embedding(tokens)).to(torch.complex64)).abs().double()
            found: Tensor = self.read_out(z)
            return found

    model, temperature, expected = Odd(), nn.Parameter(torch.tensor([1.5])), []
    optimizer = torch.optim.SGD([*(p for p in model.parameters() if p.requires_grad), temperature], 0.05)
    layers = ("embedding", "adapter", "read_out")
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(STEPS):
            optimizer.zero_grad()
            (model(torch.tensor([1, 2, 2, 5])) * temperature).square().mean().backward()
            expected.append(gradient_norms(model, layers) | {"parameter 0": norm(temperature.grad)})
            optimizer.step()
    recording = Recording(tmp_path)
    for step in range(STEPS):
        for layer, value in expected[step].items():
            group = "outside the model" if layer == "parameter 0" else ""
            assert recording.at(step, "grad_norm", layer, group) == close_to(value), layer
        assert recording.at(step, "grad_norm", "base") is recording.at(step, "grad_norm", "unused") is None
    assert [layer.frozen for layer in recording.hellos[0].layers if layer.name == "base"] == [True]


def test_of_modules_that_join_and_thaw_while_it_trains(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for step in range(6):
            if step == 2:
                added = nn.Linear(3, 3)
                model.append(added)
                optimizer.add_param_group({"params": list(added.parameters())})
                model[0].requires_grad_(True)
            optimizer.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            expected = gradient_norms(model, ("0", "2", "3")) if step > 2 else {}
            optimizer.step()
    recording = Recording(tmp_path)
    assert [[layer.name for layer in hello.layers] for hello in recording.hellos] == [["0", "2"], ["0", "2", "3"]]
    assert [layer.frozen for hello in recording.hellos for layer in hello.layers if layer.name == "0"] == [True, False]
    for layer, value in expected.items():
        assert recording.at(5, "grad_norm", layer) == close_to(value)
    assert recording.at(5, "delta_rms", "3") is not None


@pytest.mark.parametrize("every", [1, 3])
def test_of_one_model_under_two_optimizers_are_all_of_the_frames_step(tmp_path: Path, every: int) -> None:
    """And so are their deltas, their total and its clipping. Catches the second one armed in the middle of the step before."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizers = [torch.optim.SGD(model[:3].parameters(), 0.1), torch.optim.AdamW(model[4].parameters(), 0.01)]
    expected, totals = [], []
    with gradtui.watch(model, optimizers, run_dir=tmp_path, every=every):
        for _ in range(10):
            model.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            expected.append(gradient_norms(model, ("0", "2", "4")))
            totals.append(norm(*(parameter.grad for parameter in model.parameters())))
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            for optimizer in optimizers:
                optimizer.step()
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == list(range(0, 10, every))
    for frame in recording.frames:
        for layer, value in expected[frame.step].items():
            assert recording.at(frame.step, "grad_norm", layer) == close_to(value)
        assert frame.total_norm == close_to(totals[frame.step])
        assert frame.clipped_norm == pytest.approx(0.01, rel=1e-3)
        assert not frame.step or None not in frame.delta_rms


def test_of_a_gan_are_both_of_the_frames_step_when_not_every_step_has_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = {"critic": nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)), "generator": nn.Sequential(nn.Linear(3, 2))}
    critic, generator = networks.values()
    optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in networks.values()]
    expected: list[dict[str, float]] = []
    with gradtui.watch(networks, optimizers, run_dir=tmp_path, every=3):
        for _ in range(10):
            optimizers[0].zero_grad()
            (critic(generator(torch.randn(16, 3)).detach()).mean() - critic(torch.randn(16, 2)).mean()).backward()
            found = gradient_norms(critic, ("0",))
            optimizers[0].step()
            optimizers[1].zero_grad()
            (-critic(generator(torch.randn(16, 3))).mean()).backward()
            expected.append({"critic": found["0"], "generator": gradient_norms(generator, ("0",))["0"]})
            optimizers[1].step()
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 3, 6, 9]
    for frame in recording.frames:
        for group, value in expected[frame.step].items():
            assert recording.at(frame.step, "grad_norm", "0", group) == close_to(value)
