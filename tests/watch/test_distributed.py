"""Two processes over gloo: one recording, of the gradients that one process with both batches would have."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.distributed.tensor.placement_types import Placement, Replicate, Shard, _StridedShard

from gradtui.stream.events import Log
from gradtui.watching.ranks import Share, copies, together
from tests.command import environment
from tests.watch.gan_worker import ROUNDS
from tests.watch.recordings import Recording, gradient_norms, norm
from tests.watch.worker import STEPS, batch, network

LINEARS = ("0", "2", "4")


def train(how: str, state: Path) -> list[int]:
    """The exit codes of both ranks."""
    return run("tests.watch.worker", state, how, str(state / "run"))


def run(worker: str, state: Path, *arguments: str) -> list[int]:
    """The exit codes of the module `worker` on both ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", worker, *arguments]
    ranks = [subprocess.Popen(command, env=environment(state, RANK=str(rank), **variables)) for rank in range(2)]
    try:
        return [rank.wait(timeout=300) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_one_recording_of_the_whole_models_gradients(tmp_path: Path, how: str) -> None:
    assert train(how, tmp_path) == [0, 0]
    recording = Recording(tmp_path / "run")
    assert [frame.step for frame in recording.frames] == list(range(STEPS))
    assert len(recording.hellos) == 1
    assert [layer.kind for layer in recording.hellos[0].layers] == ["Linear"] * 3
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for step in range(STEPS):
        local = [norm(*torch.autograd.grad(model(batch(step, rank)).square().mean(), list(model.parameters()))) for rank in range(2)]
        optimizer.zero_grad()
        output = model(torch.cat([batch(step, rank) for rank in range(2)]))
        output.retain_grad()
        loss = output.square().mean()
        loss.backward()
        before, total = gradient_norms(model, LINEARS), norm(*(parameter.grad for parameter in model.parameters()))
        largest = max(float(parameter.grad.abs().max()) for parameter in model[2].parameters() if parameter.grad is not None)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        weight = next(model[2].parameters()).detach().clone()
        optimizer.step()
        for layer in LINEARS:
            assert recording.at(step, "grad_norm", layer) == pytest.approx(before[layer], rel=1e-5)
        assert recording.at(step, "grad_max", "2") == pytest.approx(largest, rel=1e-5)
        frame = recording.frames[step]
        assert frame.total_norm == pytest.approx(total, rel=1e-5)
        assert frame.clipped_norm == pytest.approx(0.01, rel=1e-3)
        assert frame.loss == pytest.approx(loss.item(), rel=1e-5)
        if step:
            assert recording.at(step, "delta_rms", "4") == pytest.approx(float(output.grad.square().mean().sqrt()), rel=1e-5)
            ratio = recording.at(step, "update_ratio", "2")
            assert ratio is not None
            assert ratio == pytest.approx(float((next(model[2].parameters()).detach() - weight).norm() / weight.norm()), rel=1e-3)
        if step and how == "ddp":
            assert frame.metrics["rank_of_max"] == local.index(max(local))
            assert frame.metrics["rank_norm_min"] == pytest.approx(min(local), rel=1e-5)
            assert frame.metrics["rank_norm_max"] == pytest.approx(max(local), rel=1e-5)
    assert recording.at(STEPS - 1, "weight_norm", "2") == pytest.approx(float(weight.norm()), rel=1e-5)


def test_frames_by_the_clock_are_of_the_same_step_on_all_ranks(tmp_path: Path) -> None:
    assert train("by the clock", tmp_path) == [0, 0]
    recording = Recording(tmp_path / "run")
    assert len(recording.frames) >= 3
    assert not any(isinstance(event, Log) for event in recording.events), "no share was missing"
    for frame in recording.frames[1:]:
        assert frame.metrics["rank_norm_min"] < frame.metrics["rank_norm_max"]


def test_a_killed_rank_that_takes_the_others_along_is_named_with_its_last_step(tmp_path: Path) -> None:
    assert train("dies", tmp_path)[1] == -signal.SIGKILL
    recording = Recording(tmp_path / "run")
    assert [frame.step for frame in recording.frames] == [0, 1]
    assert recording.end.reason == "crashed"
    assert "Error" in recording.end.error
    assert [event.text for event in recording.events if isinstance(event, Log)] == [
        "gradtui: rank 1 has not been heard of since step 1: it did not end as this rank did"
    ]
    assert isinstance(recording.events[-1], Log), "the end is written at once: whoever started the ranks may end this one as well"


def test_a_killed_rank_that_nobody_waits_for_is_named_with_the_first_step_that_it_missed(tmp_path: Path) -> None:
    assert train("dies unnoticed", tmp_path) == [0, -signal.SIGKILL]
    recording = Recording(tmp_path / "run")
    assert [frame.step for frame in recording.frames] == list(range(2 * STEPS))
    assert recording.end.reason == "finished"
    (said,) = [event.text for event in recording.events if isinstance(event, Log)]
    assert "rank 1 has not reported step 2:" in said
    assert recording.at(3, "grad_norm", "2") is not None


def test_a_frame_of_a_gan_is_of_one_round_on_all_ranks(tmp_path: Path) -> None:
    """The numbers are checked by rank 0 against what its optimizers got, and against the gradients of its own part of the batch: those
    are another's while a loss passes a network that it does not train."""
    assert run("tests.watch.gan_worker", tmp_path, str(tmp_path)) == [0, 0]
    frames = {path.name: [frame.step for frame in Recording(path).frames] for path in tmp_path.iterdir()}
    assert len(frames) == 4 * len(ROUNDS)
    assert frames["five and one, critic first, every 1"] == [4, 9, 14, 19, 24, 29, 34, 39]
    assert frames["five and one, critic first, every 7"] == [4, 9, 14, 24, 29, 39]
    assert frames["one each, generator first, every 1"] == list(range(8))
    assert all(len(steps) >= 8 for name, steps in frames.items() if name.endswith("every 1"))


def test_of_several_ranks_the_fewest_effective_units_count() -> None:
    shares = [Share(fields={"effective_units": units}, clipped=[], loss=None) for units in ([3.0, 5.0, None], [1.0, 7.0, None])]
    assert together(shares, [2, 2, 2])["effective_units"] == [1.0, 5.0, None]


@pytest.mark.parametrize(
    ("placements", "held"),
    [
        ([Replicate(), Replicate()], 4),
        ([Replicate(), Shard(0)], 2),
        ([Shard(0), Replicate()], 2),
        ([Shard(0), Shard(1)], 1),
        ([_StridedShard(0, split_factor=2), Shard(0)], 1),
    ],
    ids=["replicated", "hybrid", "sharded and replicated", "by rows and columns", "a shard's shards"],
)
def test_entries_are_held_by_as_many_ranks_as_do_not_share_them_out(placements: list[Placement], held: int) -> None:
    """Of two by two ranks. Catches FSDP over tensor parallelism whose norms were too small: its shards were taken for copies."""
    parameter: Any = SimpleNamespace(to_local=None, placements=placements, device_mesh=SimpleNamespace(shape=(2, 2)))
    assert copies([parameter], 4) == held
