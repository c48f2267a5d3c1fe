"""Many optimizers: one for each parameter is how a training steps inside its backward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradtui
from gradtui.probe import measure
from gradtui.probe.rows import Row, find_rows
from tests.watch.recordings import Recording


def test_the_rows_are_looked_for_once_for_all_optimizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a search for each optimizer, whose time grows with the square of their number."""
    searches = 0

    def counted(*args: Any) -> list[Row]:
        nonlocal searches
        searches += 1
        return find_rows(*args)

    monkeypatch.setattr(measure, "find_rows", counted)
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(6)])
    optimizers = [torch.optim.SGD([parameter], 0.01) for parameter in model.parameters()]
    with gradtui.watch(model, optimizers, run_dir=tmp_path, every=1):
        for _ in range(3):
            model(torch.randn(8, 4)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert searches == 2, "as the layers were registered, and in the order of the first forward pass"
    assert all(None not in frame.delta_rms + frame.grad_norm for frame in Recording(tmp_path).frames)
