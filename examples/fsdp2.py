"""Several processes that hold a share of the model each: FSDP2, over gloo or NCCL.

torchrun --nproc-per-node 2 examples/fsdp2.py --steps 500        and in another terminal: gradtui attach
"""

import argparse
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import gradtui  # gradtui: the first line

BATCH, CLIP = 32, 0.1


def network():
    hidden = [layer for _ in range(3) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), *hidden, nn.Linear(64, 4))


def get_batch(step, rank):
    """Another one on every rank."""
    generator = torch.Generator().manual_seed(1000 * step + rank)
    x = torch.randn(BATCH, 16, generator=generator)
    return x, x.view(BATCH, 4, 4).sum(dim=2).argmax(dim=1)


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=500)
    steps = parser.parse_args(argv).steps

    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo")
    torch.manual_seed(0)
    model = network().to(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in [*model, model]:
        if isinstance(module, nn.Linear) or module is model:
            fully_shard(module, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    gradtui.watch(model, optimizer)  # gradtui: the second line

    for step in range(steps):
        x, y = (tensor.to(device) for tensor in get_batch(step, dist.get_rank()))
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if step % 100 == 0 and dist.get_rank() == 0:
            print(f"step {step}: loss {loss.item():.4f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
