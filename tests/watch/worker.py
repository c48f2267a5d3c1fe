"""One rank of a watched training on two processes: `python -m tests.watch.worker HOW RUN_DIR`, started by torchrun's variables."""

from __future__ import annotations

import os
import signal
import sys
import time

import torch
import torch.distributed as dist
from torch import Tensor, nn

import gradtui

STEPS = 3


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def batch(step: int, rank: int) -> Tensor:
    """Rank 1's inputs are larger: its gradients are too."""
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(10 * step + rank)) * (1 + 2 * rank)


def in_step(rank: int, step: int) -> None:
    """Rank 0 is never ahead of what rank 1 has done. Not by a collective, which the death of rank 1 would break."""
    store = dist.distributed_c10d._get_default_store()
    if rank == 1:
        store.set(f"step/{step}", "")
    else:
        store.wait([f"step/{step}"])


def main(how: str, path: str) -> None:
    dist.init_process_group("gloo")
    rank, model = dist.get_rank(), network()
    trained: nn.Module = model
    if how == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2,))
        for module in (*model, model):
            if isinstance(module, nn.Linear) or module is model:
                fully_shard(module, mesh=mesh)
    elif how != "dies unnoticed":
        trained = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    steps, every = {"by the clock": (400, None), "dies unnoticed": (2 * STEPS, 1)}.get(how, (STEPS, 1))
    with gradtui.watch(model, optimizer, run_dir=path, every=every, share=1.0) as run:
        for step in range(steps):
            if how == "by the clock":
                time.sleep(0.01)
            if how == "dies unnoticed" and step <= 2:
                in_step(rank, step)
            if how.startswith("dies") and rank == 1 and step == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            optimizer.zero_grad()
            loss = trained(batch(step, rank)).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            optimizer.step()
            run.log(loss=loss)
    if how != "dies unnoticed":
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
