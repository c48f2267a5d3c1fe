"""Small networks of every kind that the probe has to read rightly."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SkipNet(nn.Module):
    """Two convolutions with batch norm and an identity skip, then a linear read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.act2 = nn.ReLU()
        self.read_out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act1(self.bn1(self.conv1(x)))
        h = h + self.act2(self.conv2(h))
        logits: Tensor = self.read_out(h.mean((2, 3)))
        return logits


class Block(nn.Module):
    """A pre-norm transformer block with a post-norm read-out."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        logits: Tensor = x + self.down(self.act(self.up(self.norm2(x))))
        return logits


class Tagger(nn.Module):
    """An embedding, an LSTM and a read-out tied to the embedding."""

    def __init__(self, words: int = 11, width: int = 6) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.read_out = nn.Linear(width, words, bias=False)
        self.read_out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.read_out(self.lstm(self.embedding(tokens))[0])
        return logits


class Unrolled(nn.Module):
    """A recurrent cell called once a time step, and a read-out of its last state."""

    def __init__(self, cell: nn.Module, width: int) -> None:
        super().__init__()
        self.cell = cell
        self.read_out = nn.Linear(width, 2)
        self.states: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        state: Tensor | tuple[Tensor, Tensor] | None = None
        self.states = []
        for x_t in x.unbind(1):
            state = self.cell(x_t, state)
            self.states.append(state[0] if isinstance(state, tuple) else state)
        logits: Tensor = self.read_out(self.states[-1])
        return logits


class ElmanCell(nn.Module):
    """A cell of one's own, which may normalise the sum that none of its modules returns."""

    time_step = True

    def __init__(self, inputs: int, width: int, norm: bool = False) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, width)
        self.recurrent = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, x: Tensor, state: Tensor | None) -> Tensor:
        z = self.input(x)
        if state is not None:
            z = z + self.recurrent(state)
        return torch.tanh(self.norm(z))


class Shared(nn.Module):
    """One linear layer and one activation called three times over."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 5)
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.act(self.linear(x))
        return x


def mlp() -> nn.Sequential:
    """Four linear layers, each with another activation, the first with batch norm."""
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Sigmoid(), nn.Linear(8, 8), nn.LeakyReLU(0.2), nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 3)
    )
