"""A spike on one step is in the next frame's extremes, in a loop of which nothing but norms is wanted, whatever it does in that step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

import gradtui
from gradtui.watching.meter import Meter
from tests.watch.recordings import Recording, close_to, gradient_norms

LAYERS = ("0", "2")
A_FRAME = 1e3
"""Seconds from one frame to the next."""


class Spiking:
    """A watched loop that clips, with `share=1`."""

    def __init__(self, directory: Path) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.0)
        self.x = torch.randn(16, 4)
        self.time = 0.0
        self.run = gradtui.watch(self.model, self.optimizer, run_dir=directory)
        self.run.meter = Meter(1.0, A_FRAME, lambda: self.time)

    def backward(self, factor: float) -> None:
        (factor * self.model(self.x).square().mean()).backward()

    def norms(self) -> dict[str, float]:
        return gradient_norms(self.model, LAYERS)

    def usual_steps(self, count: int) -> None:
        for _ in range(count):
            self.optimizer.zero_grad()
            self.backward(1.0)
            clip_grad_norm_(self.model.parameters(), 0.01)
            self.optimizer.step()
            self.time += 1.0


def clipped(loop: Spiking) -> dict[str, float]:
    loop.backward(1e3)
    norms = loop.norms()
    clip_grad_norm_(loop.model.parameters(), 0.01)
    return norms


def clipped_by_value(loop: Spiking) -> dict[str, float]:
    loop.backward(1e3)
    norms = loop.norms()
    clip_grad_value_(loop.model.parameters(), 0.01)
    return norms


def clipped_often(loop: Spiking) -> dict[str, float]:
    norms = clipped(loop)
    for _ in range(4):
        clip_grad_norm_(loop.model.parameters(), 0.005)
    return norms


def not_clipped(loop: Spiking) -> dict[str, float]:
    loop.backward(1e3)
    return loop.norms()


def accumulated_after_clipping(loop: Spiking) -> dict[str, float]:
    loop.backward(1.0)
    clip_grad_norm_(loop.model.parameters(), 0.01)
    loop.backward(1e3)
    return loop.norms()


def thrown_away(loop: Spiking) -> dict[str, float]:
    loop.backward(1e6)
    clip_grad_norm_(loop.model.parameters(), 0.01)
    loop.optimizer.zero_grad()
    return clipped(loop)


@pytest.mark.parametrize(
    "spike", [clipped, clipped_by_value, clipped_often, not_clipped, accumulated_after_clipping, thrown_away], ids=lambda how: how.__name__
)
@pytest.mark.parametrize("before", [200, 201, 207])
def test_a_spike_is_what_the_optimizer_would_have_got(tmp_path: Path, before: int, spike: Callable[[Spiking], dict[str, float]]) -> None:
    """Catches a step of a rest whose norms are not taken, are taken after clipping, or are those of a gradient that was thrown away."""
    loop = Spiking(tmp_path)
    loop.usual_steps(before)
    frames = len(Recording(tmp_path).frames)
    loop.optimizer.zero_grad()
    norms = spike(loop)
    loop.optimizer.step()
    loop.usual_steps(3)
    loop.time += 2 * A_FRAME
    loop.usual_steps(20)
    loop.run.close()
    recording = Recording(tmp_path)
    frame = recording.frames[frames]
    assert {name: recording.at(frame.step, "grad_norm_max", name) for name in LAYERS} == {name: close_to(norms[name]) for name in LAYERS}
