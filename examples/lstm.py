"""A closure: an LSTM in float64 that continues sine waves, trained with LBFGS on the whole data set.

python examples/lstm.py --steps 50         and in another terminal: gradtui attach
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

import gradtui  # gradtui: the first line


class Sequence(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.lstm = nn.LSTM(1, width, num_layers=2, batch_first=True)
        self.read_out = nn.Linear(width, 1)

    def forward(self, x):
        return self.read_out(self.lstm(x)[0])


def waves(count=16, length=60):
    time = torch.arange(length, dtype=torch.float64) / 8
    return (time + 2 * torch.pi * torch.rand(count, 1, dtype=torch.float64)).sin().unsqueeze(-1)


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=50)
    steps = parser.parse_args(argv).steps

    torch.manual_seed(0)
    model = Sequence().double()
    data = waves()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)
    gradtui.watch(model, optimizer)  # gradtui: the second line

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(data[:, :-1]), data[:, 1:])
        loss.backward()
        return loss

    for step in range(steps):
        loss = optimizer.step(closure)
        print(f"step {step}: loss {loss.item():.6f}")


if __name__ == "__main__":
    main()
