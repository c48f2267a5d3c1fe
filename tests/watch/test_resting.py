"""Most steps are only counted. What wakes a clock that rests: norms that are due, a frame, a scaler, a clipping that is to be seen."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

import gradtui
from gradtui.watching.meter import Meter
from tests.watch.recordings import Recording

A_WAKING, A_NORM = 6, 4
"""Looks at the time that it takes to find that nothing is wanted of the next steps either, and to take a step's norms."""
REST = 16
"""Steps between two of those, at most."""


class Ticking:
    """A clock that every look moves on by a tenth of a second: looking at anything is dear."""

    def __init__(self) -> None:
        self.time = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        self.time += 0.1
        return self.time


class Loop:
    """A watched loop of one network or several, each with its optimizer, that clips."""

    def __init__(self, directory: Path, networks: int = 1, interval: float = 1e6) -> None:
        torch.manual_seed(0)
        self.models = {f"network {index}": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)) for index in range(networks)}
        self.optimizers = [torch.optim.SGD(model.parameters(), 0.01) for model in self.models.values()]
        self.run = gradtui.watch(self.models, self.optimizers, run_dir=directory)
        self.clock = Ticking()
        self.run.meter = Meter(0.1, interval, self.clock)
        self.x = torch.randn(16, 4)

    def step(self, factor: float = 1.0, pause: float = 0.0) -> int:
        """Train one step, with a pause before its last update; returns how often the clock was looked at meanwhile."""
        looks = self.clock.looks
        for model, optimizer in zip(self.models.values(), self.optimizers, strict=True):
            optimizer.zero_grad()
            (factor * model(self.x).square().mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            self.clock.time += pause if optimizer is self.optimizers[-1] else 0.0
            optimizer.step()
        self.clock.time += 1.0
        return self.clock.looks - looks

    def settle(self) -> None:
        for _ in range(200):
            self.step()
        assert self.run.meter.stride > 4


def test_steps_of_which_nothing_is_wanted_are_only_counted_and_norms_are_taken_when_they_are_due(tmp_path: Path) -> None:
    loop = Loop(tmp_path / "run")
    loop.settle()
    stride = loop.run.meter.stride
    steps = [(loop.step(), loop.run.step) for _ in range(10 * stride)]
    assert [step for _, step in steps] == list(range(200, 200 + len(steps))), "each is counted when it is made"
    measured = [index for index, (looks, _) in enumerate(steps) if looks in (A_NORM, A_NORM + A_WAKING)]
    woken = [index for index, (looks, _) in enumerate(steps) if looks in (A_WAKING, A_NORM + A_WAKING)]
    assert {b - a for a, b in pairwise(measured)} <= {loop.run.meter.stride}
    assert len(measured) >= 9
    assert [looks for looks, _ in steps].count(0) == len(steps) - len({*measured, *woken})
    assert len(woken) <= 10 * -(-stride // REST)
    loop.run.close()
    assert Recording(tmp_path / "run").end.step == 200 + len(steps) - 1


def test_what_resting_steps_take_is_counted_though_it_is_measured_on_one_of_them_only(tmp_path: Path) -> None:
    loop = Loop(tmp_path / "run")
    loop.settle()
    wakings = []
    rested = 0
    for _ in range(3 * loop.run.meter.stride):
        before = loop.run.meter.spent
        looks = loop.step()
        if looks == A_WAKING:
            wakings.append((rested, loop.run.meter.spent - before))
        rested = rested + 1 if looks == 0 else 0
    assert max(wakings)[0] >= 5
    for rested, counted in wakings:
        assert counted >= 0.1 * (rested + 3), "a tenth of a second each, and what it takes to look around"


@pytest.mark.parametrize("networks", [1, 2])
def test_a_frame_that_falls_due_while_all_rest_is_made_whole(tmp_path: Path, networks: int) -> None:
    loop = Loop(tmp_path / "run", networks)
    loop.settle()
    while loop.step() > networks * A_WAKING:
        pass
    loop.step(pause=1e7)  # of two, the first rests when the second finds that a frame is due
    due = loop.run.step
    for _ in range(REST + 2):
        loop.step(1000.0)
    loop.run.close()
    frame = next(frame for frame in Recording(tmp_path / "run").frames if frame.step > due)
    assert frame.step <= due + REST
    assert None not in frame.delta_rms
    assert len(frame.delta_rms) == 2 * networks
    assert frame.total_norm is not None
    assert frame.clipped_norm is not None
    assert frame.total_norm > 10 > 0.11 > frame.clipped_norm, "clipping is seen again on the frame's own step"


def test_as_long_as_no_frame_can_be_due_nobody_asks() -> None:
    """Steps of 20 ms, of which a quarter of the frames' interval is one; the frame just made took as much as is aimed at in a second."""
    time = [0.0]
    meter = Meter(0.01, 0.1, lambda: time[0])

    def steps(count: int) -> None:
        for _ in range(count):
            time[0] += 0.02
            meter.step_taken(0.0, 1)

    steps(100)
    assert meter.rest() == 1, "one may be due at any time"
    for _ in range(7):
        meter.begin_frame()
    meter.in_frame = True
    meter.add(0.0101 * 0.85)
    steps(40)
    assert meter.rest() == 10, "what 1.01 s allow is spent, and 0.8 of them are over"
    assert not meter.may_look(time[0])
    steps(11)
    assert meter.may_look(time[0])
    assert meter.rest() == 1


@pytest.mark.parametrize(("seconds", "at_most"), [(0.0001, 16), (0.003, 8), (0.02, 1), (10.0, 1)])
def test_nobody_rests_for_longer_than_a_quarter_of_the_frames_interval(seconds: float, at_most: int) -> None:
    time = [0.0]
    meter = Meter(0.01, 0.1, lambda: time[0])
    for _ in range(100):
        time[0] += seconds
        meter.step_taken(0.0, 1)
    assert meter.rest() == at_most
