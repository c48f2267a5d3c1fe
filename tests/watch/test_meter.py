"""How often watching looks, on a clock that only moves when it is told to."""

from __future__ import annotations

from statistics import mean

import pytest

from gradtui.watching.meter import Meter

STEP = 0.010


class Simulation:
    """Steps of 10 ms, with hooks, norms and frames at a known price."""

    def __init__(self, share: float, rate: float, norms: float, frame: float, hooks: float = 0.0, unseen: float = 0.0) -> None:
        self.time = 0.0
        self.pause = 0.0
        """Seconds that the loop does something else, after every hundred steps."""
        self.held = 0.0
        """Seconds that it is held up on purpose after every frame."""
        self.shares: list[float] = []
        self.meter = Meter(share, 1 / rate, lambda: self.time)
        self.norms, self.frame, self.hooks = norms, frame, hooks
        self.unseen = unseen
        """Of a frame, half of it in its own step and half in the next one."""
        self.spent, self.frames, self.strides = 0.0, [0.0], 1

    def _pay(self, price: float) -> float:
        started = self.meter.now()
        self.time += price
        self.spent += price
        return self.meter.spend(started)

    def _lose(self, price: float) -> None:
        """Nobody measures it."""
        self.time += price
        self.spent += price

    def run(self, steps: int) -> None:
        self.due = 0
        due = framed = False
        for step in range(steps):
            self.time += STEP if step % 100 else STEP + self.pause
            if framed:
                self._lose(self.unseen / 2)
            self._pay(self.hooks)
            norms, taken = 0.0, step >= self.due
            if taken:
                norms, self.due = self._pay(self.norms), step + self.meter.stride
            if framed := due:
                self._lose(self.unseen / 2)
                self.meter.in_frame = True
                self._pay(self.frame)
                self.meter.in_frame = False
            self.meter.step_taken(norms, taken, framed)
            if framed:
                started = self.time
                self.time += self.held
                self.meter.leave_out(started, self.meter.accounted)
            if due := self.meter.may_look(self.time):
                self.shares.append(self.meter.begin_frame())
                self.frames.append(self.time)


@pytest.mark.parametrize("norms", [0.00002, 0.0005, 0.005], ids=["cheap", "5% of a step", "half a step"])
@pytest.mark.parametrize("frame", [0.0001, 0.02], ids=["cheap", "two steps"])
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_the_share_is_kept_whatever_looking_costs(norms: float, frame: float, share: float) -> None:
    simulation = Simulation(share, 10, norms, frame)
    simulation.run(1000)  # it settles
    simulation.spent, begun = 0.0, simulation.time
    simulation.run(20_000)
    assert simulation.spent / (simulation.time - begun) <= share
    assert len(simulation.frames) > 10, "and it does look"


@pytest.mark.parametrize("unseen", [0.0, 0.003, 0.012])
def test_what_a_frame_takes_and_nobody_measures_is_a_part_of_the_share(unseen: float) -> None:
    simulation = Simulation(0.01, 10, 0.00002, 0.020, unseen=unseen)
    simulation.run(1000)
    simulation.spent, simulation.shares, begun, told = 0.0, [], simulation.time, simulation.meter.spent
    simulation.run(20_000)
    taken = simulation.spent / (simulation.time - begun)
    assert 0.008 < taken <= 0.01
    assert simulation.meter.spent - told == pytest.approx(simulation.spent, rel=0.02)
    assert mean(simulation.shares) == pytest.approx(taken, rel=0.05)


def test_a_pause_after_a_frame_is_not_the_frames() -> None:
    simulation = Simulation(0.01, 10, 0.00002, 0.020)
    simulation.pause = 4.0
    simulation.run(30_000)
    assert simulation.meter.spent == pytest.approx(simulation.spent, rel=0.05)


def test_a_loop_held_up_after_a_frame_is_not_the_frames() -> None:
    simulation = Simulation(0.01, 10, 0.00002, 0.020)
    simulation.held = 1.0
    simulation.run(30_000)
    assert simulation.meter.spent == pytest.approx(simulation.spent, rel=0.01)


def test_of_a_frame_that_waits_for_its_step_the_steps_until_then_are_no_part() -> None:
    """One optimizer steps on while the frame waits for the other: what they take is what steps take. Neither is a pause after one frame."""
    time = [0.0]
    meter = Meter(0.5, 0.1, lambda: time[0])

    def step(seconds: float = 0.01, framed: bool = False) -> None:
        time[0] += seconds
        meter.step_taken(0.0, 1, framed)

    for _ in range(64):
        step()
    for frame in range(5):
        meter.begin_frame()
        meter.in_frame = True
        meter.add(0.001)
        step(0.011)
        for _ in range(9):
            step()
        meter.add(0.003)
        meter.in_frame = False
        step(0.0135, framed=True)
        step(0.0105 if frame != 2 else 5.0)
    assert meter.spent == pytest.approx(5 * 0.005)


def test_while_the_loop_does_something_else_nothing_is_saved_up() -> None:
    simulation = Simulation(0.01, 10, 0.0005, 0.001)
    simulation.pause = 4.0  # a frame comes after five seconds whatever it costs
    simulation.run(1000)
    simulation.spent, simulation.shares = 0.0, []
    simulation.run(20_000)
    assert simulation.spent / (20_000 * STEP) <= 0.01
    assert max(simulation.shares) < 0.02, "and what is told is the share of the steps"


def test_what_is_told_is_what_was_spent() -> None:
    simulation = Simulation(1.0, 10, 0.0005, 0.0)
    simulation.run(1000)
    simulation.shares = []
    simulation.run(1000)
    assert simulation.shares == [pytest.approx(0.0005 / (STEP + 0.0005), rel=0.05)] * len(simulation.shares)


def test_what_was_counted_inside_is_not_counted_again_and_a_loop_held_up_is_no_cost() -> None:
    time = [0.0]
    meter = Meter(0.5, 0.1, lambda: time[0])
    since, accounted = meter.now(), meter.accounted
    time[0] += 1.0
    inner = meter.now()
    time[0] += 2.0
    meter.spend(inner)
    held, before = meter.now(), meter.accounted
    time[0] += 93.0
    meter.leave_out(held, before)
    time[0] += 1.0
    meter.spend_rest(since, accounted)
    time[0] += 3.0
    assert meter.begin_frame() == pytest.approx(4 / 100)


@pytest.mark.parametrize(("frame", "seconds"), [(0.002, 1.0), (0.2, 5.2)], ids=["cheap", "dear"])
def test_hooks_that_take_more_than_the_share_do_not_starve_frames(frame: float, seconds: float) -> None:
    simulation = Simulation(0.01, 10, 0.0005, frame, hooks=0.001)
    simulation.run(20_000)
    gaps = [b - a for a, b in zip(simulation.frames, simulation.frames[1:], strict=False)]
    assert max(gaps[6:]) <= seconds
    assert simulation.frames[5] <= 6 * (0.1 + frame + 2 * STEP), "the first come at once"
    spent, begun = simulation.spent, simulation.time
    simulation.run(10_000)
    share = (simulation.spent - spent) / (simulation.time - begun)
    hooks = 0.001 * 10_000 / (simulation.time - begun)
    assert share - hooks <= 1.1 * max(0.01, frame / 5), "beyond the hooks, what was promised, or a frame every five seconds"


def test_frames_come_at_the_rate_asked_for_where_they_are_cheap() -> None:
    simulation = Simulation(0.01, 10, 0.00001, 0.0001)
    simulation.run(1000)
    gaps = [b - a for a, b in zip(simulation.frames, simulation.frames[1:], strict=False)]
    assert min(gaps) >= 0.1 - 1e-9
    assert max(gaps[10:]) <= 0.1 + 2 * STEP, "once it has found out what things cost"
    assert simulation.meter.stride == 1


def test_no_step_is_left_out_without_a_limit() -> None:
    simulation = Simulation(1.0, 10, 0.009, 0.01)
    simulation.run(500)
    assert simulation.meter.stride == 1


def test_one_slow_measurement_does_not_stop_the_norms_for_long() -> None:
    simulation = Simulation(0.01, 10, 0.0005, 0.0001)
    simulation.run(1000)
    stride = simulation.meter.stride
    simulation.norms = 1.0
    simulation.run(1)
    simulation.norms = 0.0005
    simulation.run(3 * stride + 200)
    assert stride / 2 <= simulation.meter.stride <= 3 * stride
