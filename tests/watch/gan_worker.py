"""One rank of GANs that two processes train: `python -m tests.watch.gan_worker DIRECTORY`, started by torchrun's variables. Rank 0
checks what was recorded under the directory, a run for each."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from tests.watch.gan import Gan

ROUNDS = {
    "five and one": [5] * 8,
    "fewer later": [5] * 4 + [2] * 6,
    "at random": [random.Random(round).randint(1, 4) for round in range(10)],
    "one each": [1] * 8,
}
"""How often the critic steps in each round."""


def train(path: Path, often: list[int], generator_first: bool, every: int) -> None:
    gan = Gan(path, DistributedDataParallel, ranks=2, every=every)
    torch.manual_seed(1 + dist.get_rank())
    for critic_steps in often:
        if generator_first:
            gan.train_generator()
        for _ in range(critic_steps):
            gan.train_critic()
        if not generator_first:
            gan.train_generator()
    if dist.get_rank() == 0:
        gan.check()
    else:
        gan.run.close()
    dist.barrier()  # one after the other


def main(path: str) -> None:
    dist.init_process_group("gloo")
    for name, often in ROUNDS.items():
        for generator_first in (False, True):
            for every in (1, 7):
                first = "generator" if generator_first else "critic"
                train(Path(path) / f"{name}, {first} first, every {every}", often, generator_first, every)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
