"""Parameters that no optimizer was given: they get gradients, which nobody uses and nobody zeroes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import gradtui
from gradtui.diagnose.state import RunState
from tests.watch.recordings import Recording, close_to, norm


def train(path: Path, *frozen: int, steps: int = 60) -> tuple[Recording, list[float]]:
    """Train four layers with an optimizer of the last two; `frozen`: those of the first two that are meant not to learn. Returns the
    recording and, for every step, the norm of what the optimizer got."""
    torch.manual_seed(0)
    model = nn.Sequential(*[module for _ in range(3) for module in (nn.Linear(6, 6), nn.Tanh())], nn.Linear(6, 3))
    for index in frozen:
        model[index].requires_grad_(False)
    optimizer = torch.optim.SGD([*model[4].parameters(), *model[6].parameters()], lr=0.05)
    expected = []
    with gradtui.watch(model, optimizer, run_dir=path, every=5):
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            expected.append(norm(*[parameter.grad for group in optimizer.param_groups for parameter in group["params"]]))
            optimizer.step()
    return Recording(path), expected


def test_they_are_named_and_are_no_part_of_what_the_optimizer_gets(tmp_path: Path) -> None:
    """Catches a norm over all layers, which grows with every step, and a look at the first layer alone."""
    recording, expected = train(tmp_path)
    assert [(layer.name, layer.updated) for layer in recording.hellos[0].layers] == [("0", False), ("2", False), ("4", True), ("6", True)]
    assert [frame.total_norm for frame in recording.frames] == [close_to(expected[frame.step]) for frame in recording.frames]
    assert (recording.frames[-1].grad_norm[0] or 0.0) > (recording.frames[0].grad_norm[0] or 0.0) > 0, "nothing zeroes it"
    state = RunState()
    edges = [edge for event in recording.events for edge in state.apply(event)]
    assert [(edge.code, edge.layers) for edge in edges] == [("update-too-small", ["0", "2"])]
    assert "no optimizer has the parameters of" in edges[0].evidence.sentence
    assert edges[0].try_ == []


def test_what_is_frozen_is_not_forgotten(tmp_path: Path) -> None:
    recording, _ = train(tmp_path, 0, 2)
    assert [edge for state in [RunState()] for event in recording.events for edge in state.apply(event)] == []
