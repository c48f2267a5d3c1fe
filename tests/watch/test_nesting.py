"""An optimizer whose class calls its base's `step`: torch runs the hooks for both, and it is one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradtui
from tests.watch.recordings import Recording, close_to, norm


class Overriding(torch.optim.SGD):
    """Raises before its base's step, or after it, when it is told to."""

    raises = ""

    def step(self, closure: Any = None) -> Any:
        if self.raises == "before":
            raise RuntimeError(self.raises)
        loss = super().step(closure)
        if self.raises == "after":
            raise RuntimeError(self.raises)
        return loss


@pytest.mark.parametrize("every", [1, 4])
def test_it_is_counted_and_measured_once_whatever_raises(tmp_path: Path, every: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    torch.optim.SGD(model.parameters(), 0.1)  # from here on the base's step has its hooks run
    optimizer = Overriding(model.parameters(), 0.1)
    expected = []
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=every) as run:
        for attempt in range(24):
            optimizer.raises = {5: "before", 9: "after", 10: "before"}.get(attempt, "")
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            before = norm(*(parameter.grad for parameter in model.parameters()))
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            try:
                optimizer.step()
            except RuntimeError:
                continue
            expected.append(before)
            assert run.step == len(expected) - 1
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == list(range(0, 21, every))
    for frame in recording.frames:
        assert frame.total_norm == close_to(expected[frame.step])
        assert frame.clipped_norm == pytest.approx(0.01, rel=1e-3)
