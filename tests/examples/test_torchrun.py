"""The examples of two processes, under torchrun: what is recorded is what one process with both batches would have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.command import environment
from tests.examples.example import EXAMPLES, STEPS, check, gradients, load
from tests.watch.recordings import Recording

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.examples.every_step")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_two_ranks(tmp_path: Path, name: str) -> None:
    run, file = tmp_path / "run", EXAMPLES / f"{name}.py"
    result = subprocess.run(
        [*TORCHRUN, run, file, "--steps", str(STEPS)],
        capture_output=True,
        text=True,
        env=environment(tmp_path, CUDA_VISIBLE_DEVICES=""),
        cwd=EXAMPLES.parent,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    example = load(name)
    torch.manual_seed(0)
    model = example.network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps = []
    for step in range(STEPS):
        both = [example.get_batch(step, rank) for rank in range(2)]
        x, y = (torch.cat(parts) for parts in zip(*both, strict=True))
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        steps.append(gradients(model, clip=example.CLIP))
        optimizer.step()
    assert max(step.total for step in steps) > example.CLIP, "something was clipped"
    # Sums over 2 × 32 terms in another order, in each of 10 products.
    check(Recording(run), steps, relative=10 * 64**0.5 * 2**-24)
