"""How often watching looks, on a clock that only moves when it is told to."""

from __future__ import annotations

import pytest

from gradtui.watching.meter import Meter

STEP = 0.010


class Simulation:
    """Steps of 10 ms, with norms and frames at a known price."""

    def __init__(self, share: float, rate: float, norms: float, frame: float) -> None:
        self.time = 0.0
        self.meter = Meter(share, 1 / rate, lambda: self.time)
        self.norms, self.frame = norms, frame
        self.spent, self.frames, self.strides = 0.0, [0.0], 1

    def _pay(self, price: float) -> float:
        started = self.meter.now()
        self.time += price
        self.spent += price
        return self.meter.spend(started)

    def run(self, steps: int) -> None:
        for step in range(steps):
            self.time += STEP
            taken = self._pay(self.norms) if step % self.meter.stride == 0 else None
            if self.meter.may_look:
                self.meter.begin_frame()
                self.frames.append(self.time)
                self._pay(self.frame)
            else:
                self.meter.step_taken(taken)


@pytest.mark.parametrize("norms", [0.00002, 0.0005, 0.005], ids=["cheap", "5% of a step", "half a step"])
@pytest.mark.parametrize("frame", [0.0001, 0.02], ids=["cheap", "two steps"])
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_the_share_is_kept_whatever_looking_costs(norms: float, frame: float, share: float) -> None:
    simulation = Simulation(share, 10, norms, frame)
    simulation.run(1000)  # it settles
    simulation.spent, begun = 0.0, simulation.time
    simulation.run(20_000)
    assert simulation.spent / (simulation.time - begun) <= share * 1.02
    assert len(simulation.frames) > 10, "and it does look"


def test_frames_come_at_the_rate_asked_for_where_they_are_cheap() -> None:
    simulation = Simulation(0.01, 10, 0.00001, 0.0001)
    simulation.run(1000)
    gaps = [b - a for a, b in zip(simulation.frames, simulation.frames[1:], strict=False)]
    assert min(gaps) >= 0.1 - 1e-9
    assert max(gaps) <= 0.1 + 2 * STEP
    assert simulation.meter.stride == 1


def test_no_step_is_left_out_without_a_limit() -> None:
    simulation = Simulation(1.0, 10, 0.009, 0.01)
    simulation.run(500)
    assert simulation.meter.stride == 1
