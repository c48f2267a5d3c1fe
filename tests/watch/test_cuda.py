"""On a GPU: a watched step waits for nothing, and a frame comes to the host in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import gradtui
from gradtui.watching import Run
from tests.watch.recordings import Recording

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

STEPS = 12


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


def train(model: nn.Module, optimizer: torch.optim.Optimizer, run: Run, x: torch.Tensor, log: bool) -> None:
    for _ in range(STEPS):
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(x).float().square().mean()
        loss.backward()
        optimizer.step()
        if log:
            run.log(loss=loss)


def watched(path: Path, every: int) -> tuple[nn.Module, torch.optim.Optimizer, Run, torch.Tensor]:
    """A network whose rows are found, and whose first frame is made: the first step's copies of constants are behind it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 8)).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    run = gradtui.watch(model, optimizer, run_dir=path, every=every)
    x = torch.randn(32, 64, device="cuda")
    train(model, optimizer, run, x, log=True)
    torch.cuda.synchronize()
    return model, optimizer, run, x


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.usefixtures("waiting_is_an_error")
def test_no_step_waits_for_the_device(tmp_path: Path, every: int) -> None:
    model, optimizer, run, x = watched(tmp_path, every)
    torch.cuda.set_sync_debug_mode("error")
    train(model, optimizer, run, x, log=True)
    torch.cuda.set_sync_debug_mode("default")
    assert run.active, "what waits raises, and that would have ended the watching"
    run.close()
    assert [frame.step for frame in Recording(tmp_path).frames] == list(range(0, 2 * STEPS, every))


def test_a_frame_comes_to_the_host_in_one_copy(tmp_path: Path) -> None:
    model, optimizer, run, x = watched(tmp_path, every=1)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        train(model, optimizer, run, x, log=False)
        torch.cuda.synchronize()
    copies = [event for event in seen.events() if "Memcpy DtoH" in event.name]
    run.close()
    assert len(copies) == STEPS
