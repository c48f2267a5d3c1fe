"""The loops of examples/: what two lines record of them is what plain autograd gives, at three steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.examples.example import EXAMPLES, STEPS, Step, check, gradients, load, record

FLOAT32 = 2e-6
"""For the same operations by hand: then only the norms are rounded differently, and a recording keeps seven digits of them."""


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_two_lines_and_no_more_are_gradtuis(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    code = source.split('"""', 2)[2].splitlines()
    marked = [line for line in code if line.endswith(("  # gradtui: the first line", "  # gradtui: the second line"))]
    assert len(marked) == 2
    assert [line for line in code if "gradtui" in line.lower()] == marked


def test_mlp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand in float64: what the loop's float32 rounds off, at most the square root of 32 terms in each of 12 products, and no more."""
    example = load("mlp")
    recording = record(monkeypatch, tmp_path, example)
    torch.manual_seed(0)
    model = example.network().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps = []
    for _ in range(STEPS):
        x, y = example.get_batch()
        optimizer.zero_grad()
        F.cross_entropy(model(x.double()), y).backward()  # type: ignore[no-untyped-call]
        steps.append(gradients(model))
        optimizer.step()
    check(recording, steps, relative=12 * 32**0.5 * 2**-24)


def test_gan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("gan")
    recording = record(monkeypatch, tmp_path, example)
    torch.manual_seed(0)
    critic, generator = example.networks()
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.9)) for model in (critic, generator)]
    of_critic, of_generator = [], []
    for _ in range(STEPS):
        critic.zero_grad()
        example.critic_loss(critic, example.real_points(), generator(torch.randn(example.BATCH, example.NOISE)).detach()).backward()
        of_critic.append(gradients(critic))
        optimizers[0].step()
        generator.zero_grad()
        (-critic(generator(torch.randn(example.BATCH, example.NOISE))).mean()).backward()
        of_generator.append(gradients(generator))
        optimizers[1].step()
    check(recording, of_critic, FLOAT32, "critic")
    check(recording, of_generator, FLOAT32, "generator")


def test_lstm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("lstm")
    recording = record(monkeypatch, tmp_path, example)
    torch.manual_seed(0)
    model = example.Sequence().double()
    data = example.waves()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)
    evaluations: list[tuple[Step, float]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(data[:, :-1]), data[:, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        evaluations.append((gradients(model), loss.item()))
        return loss

    first = []
    for _ in range(STEPS):
        first.append(len(evaluations))
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert first[1] > 1, "the closure is evaluated several times a step"
    check(recording, [evaluations[index][0] for index in first], FLOAT32)
    assert [frame.loss for frame in recording.frames] == pytest.approx([evaluations[index][1] for index in first], rel=1e-12)


def test_gpt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: the model that is not compiled, with the same casts to bfloat16."""
    example = load("gpt")
    recording = record(monkeypatch, tmp_path, example, "--backend", "aot_eager", "--device", "cpu")
    torch.manual_seed(0)
    model = example.GPT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    steps = []
    for _ in range(STEPS):
        for x, y in (example.get_batch("cpu") for _ in range(example.ACCUMULATE)):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(x, y) / example.ACCUMULATE
            loss.backward()
        steps.append(gradients(model, example.CLIP))
        optimizer.step()
        optimizer.zero_grad()
    check(recording, steps, FLOAT32)
    assert min(step.total for step in steps) > example.CLIP, "every step is clipped"
    assert recording.hellos[0].scenario["delta"] is False
