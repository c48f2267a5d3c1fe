"""Without a GPU: that watching reads nothing back from a device while the loop runs, on one that gives nothing back.

On the meta device tensors have no values, so whatever waits for one raises, which would end the watching. Only the one place that
fetches a frame once it has arrived is stood in for. (tests/watch/test_cuda.py asks CUDA itself.)
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import gradtui
from gradtui.probe.table import Copy
from tests.watch.recordings import Recording


@pytest.mark.parametrize(("steps", "every"), [(6, 1), (71, 70)])  # 64 steps' norms are put together at once
def test_a_watched_step_reads_nothing_from_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, every: int) -> None:
    monkeypatch.setattr(Copy, "read", lambda copy: [1.0] * copy._values.numel())
    model = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4), nn.Sigmoid()).to("meta")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    x = torch.empty(8, 16, device="meta")
    run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=every)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.log(loss=loss)
    assert run.active, "what waits raises, and that would have ended the watching"
    run.log(loss=0.0)  # the end tells the value logged last, and may wait for it
    run.close()
    frames = Recording(tmp_path).frames
    assert [frame.step for frame in frames] == list(range(0, steps, every))
    assert all(None not in frame.delta_rms + frame.grad_norm_max for frame in frames)
