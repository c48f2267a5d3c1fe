"""Lightning's and Hugging Face's Trainers on two processes over gloo: one recording, of what one process would have with all batches."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.adapters.ranks import CLIP, RATE, STEPS, Line
from tests.command import environment
from tests.examples.example import Step, check, gradients
from tests.watch.recordings import Recording, norm

WORKER = ("-m", "tests.adapters.ranks")
pytestmark = pytest.mark.slow
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(library: str, path: Path, micro_batches: int) -> None:
    """As torchrun would start it, but without the time that torchrun itself takes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": ""}
    variables |= {"TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": "0"}  # by which Lightning knows that it need not start the other rank
    command = [sys.executable, *WORKER, library, str(path), str(micro_batches)]
    ranks = [subprocess.Popen(command, env=environment(path, RANK=rank, LOCAL_RANK=rank, **variables)) for rank in "01"]
    try:
        assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_gradients_are_those_of_all_batches_together(tmp_path: Path, library: str, micro_batches: int) -> None:
    train(library, tmp_path, micro_batches)
    given = [torch.load(tmp_path / f"given-{rank}.pt") for rank in range(2)]
    line = Line()
    model = nn.ModuleDict({"line": line}) if library == "lightning" else line
    optimizer, steps, local = torch.optim.SGD(line.parameters(), lr=RATE), list[Step](), list[list[float]]()
    for step in range(STEPS):
        batches = [ranks[step * micro_batches : (step + 1) * micro_batches] for ranks in given]
        of_each = [torch.autograd.grad(sum(line.loss(*batch) for batch in own), list(line.parameters())) for own in batches]  # type: ignore[arg-type]
        local.append([norm(*found) / micro_batches for found in of_each])
        for parameter, *parts in zip(line.parameters(), *of_each, strict=True):
            parameter.grad = torch.stack(parts).sum(0) / (2 * micro_batches)
        steps.append(gradients(model, CLIP))
        optimizer.step()
    recording = Recording(tmp_path / "run")
    check(recording, steps, relative=1e-5)
    assert min(step.total for step in steps) > CLIP, "every step is clipped"
    for frame, norms in zip(recording.frames[1:], local[1:], strict=True):
        if micro_batches > 1:
            assert "rank_norm_max" not in frame.metrics, "the norm of a sum is not to be had from those of its terms"
        else:
            assert max(norms) > 1.001 * min(norms), "otherwise it would not show which is which"
            assert [frame.metrics["rank_norm_min"], frame.metrics["rank_norm_max"]] == pytest.approx(sorted(norms), rel=1e-5)
            assert frame.metrics["rank_of_max"] == norms.index(max(norms))


@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_a_rank_that_fails_under_torchrun_leaves_an_end(tmp_path: Path, library: str) -> None:
    command = [sys.executable, *TORCHRUN, *WORKER, library, str(tmp_path), "1", "0"]
    done = subprocess.run(command, env=environment(tmp_path, CUDA_VISIBLE_DEVICES=""), stderr=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 1
    end = Recording(tmp_path / "run").end
    assert (end.reason, end.error, end.step) == ("crashed", "ValueError: no luck", 1)
