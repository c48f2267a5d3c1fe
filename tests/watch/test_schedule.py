"""Several ranks agree on the steps of frames, though none waits for another and each has a clock of its own."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from gradtui.watching.meter import Meter
from gradtui.watching.ranks import Ranks
from gradtui.watching.schedule import Schedule


@pytest.mark.parametrize("first", [0.005, 3.0, 60.0])
@pytest.mark.parametrize("each", [0.001, 0.005, 0.7])
def test_all_ranks_make_frames_of_the_same_steps_however_long_the_first_step_took(first: float, each: float) -> None:
    """Rank 1's clock started elsewhere. Catches a usual step's time that is reckoned from the first one's: an announcement was then so
    few steps ahead that they were over before anyone looked."""
    time = [0.0]
    store = dist.HashStore()  # type: ignore[attr-defined]
    starts = (0.0, 1000.03)
    schedules = [Schedule(None, Ranks(store, rank, 2, 0)) for rank in range(2)]
    meters = [Meter(1.0, 0.01, lambda start=start: start + time[0]) for start in starts]  # type: ignore[misc]
    made: list[list[int]] = [[], []]
    for step in range(3000):
        time[0] += each if step else first
        for rank, (schedule, meter) in enumerate(zip(schedules, meters, strict=True)):
            meter.step_taken(0.0, 1)
            if schedule.wants(step + 1, meter, meter.now()):
                meter.begin_frame()
                schedule.began(step + 1)
                made[rank].append(step + 1)
    assert made[0] == made[1]
    assert len(made[0]) >= 3
