"""A plain loop: a multilayer perceptron that tells two spirals apart.

python examples/mlp.py --steps 2000        and in another terminal: gradtui attach
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

import gradtui  # gradtui: the first line


def network():
    hidden = [layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.Tanh())]
    return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), *hidden, nn.Linear(32, 2))


def get_batch(size=64):
    turn, label = 3 * torch.rand(size), torch.randint(2, (size,))
    angle = 2 * turn + torch.pi * label
    points = torch.stack([turn * angle.cos(), turn * angle.sin()], dim=1)
    return points + 0.05 * torch.randn(size, 2), label


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args(argv).steps

    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    gradtui.watch(model, optimizer)  # gradtui: the second line

    for step in range(steps):
        x, y = get_batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
