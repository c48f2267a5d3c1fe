"""Recurrent networks with their loop over time in the open: the gradient at every time step can be seen.

A cell is called once a time step and returns its state, the tensor that carries the memory first: the hidden state, and
for an LSTM the cell state. The probe makes a row of each call (`time_step`). PyTorch's own `nn.RNN`, `nn.LSTM` and
`nn.GRU` run the whole sequence in one call, in which only the last step's gradient could be seen.

Gated cells have an explicit gate bias, since the default is the disease: a gate at σ(0) = 1/2 forgets half in every step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradtui.lab.data import Dataset
from gradtui.lab.models import parts
from gradtui.stream.events import Value

State = tuple[Tensor, ...]


class Cell(nn.Module):
    """h' = (1−α)·h + α·φ(norm(W x + U h + b)): Elman's cell at α = 1, a leaky integrator below (Jaeger 2007)."""

    time_step = True
    gates = 1
    """How many pre-activations a unit has."""
    states = 1
    """How many tensors a state has; the first carries the memory, the last is read out."""

    def __init__(self, inputs: int, width: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.width = width
        self.input = nn.Linear(inputs, self.gates * width)
        self.recurrent = nn.Linear(width, self.gates * width, bias=False)
        self.norm: nn.Module = nn.Identity()
        self.activation = parts.activation(settings)
        self.leak = float(settings["leaky_state"])
        self.initialise(settings)

    @torch.no_grad()
    def initialise(self, settings: Mapping[str, Value]) -> None:
        """Draw the weights anew: the recurrent ones as `init` says, those of the input N(0, 1/fan_in)."""
        nn.init.normal_(self.input.weight, std=1 / math.sqrt(self.input.in_features))
        nn.init.zeros_(self.input.bias)
        self.draw_recurrent(settings)
        self.set_gate_bias(float(settings["forget_bias"]))

    def draw_recurrent(self, settings: Mapping[str, Value]) -> None:
        parts.initialise(self.recurrent.weight, settings)

    def set_gate_bias(self, bias: float) -> None:
        """Set the bias of the gate that keeps the memory; here there is none."""

    def set_layer_norm(self, kind: str) -> None:
        device = self.input.weight.device
        self.norm = nn.LayerNorm(self.width, device=device) if kind == "on" else nn.Identity()

    def start(self, batch: Tensor) -> State:
        """The state before the first step, all zeros."""
        return (batch.new_zeros(len(batch), self.width),) * self.states

    def forward(self, x: Tensor, state: State) -> State:
        (h,) = state
        new = self.activation(self.norm(self.input(x) + self.recurrent(h)))
        return (new if self.leak == 1 else (1 - self.leak) * h + self.leak * new,)


class _GatedCell(Cell):
    """A cell with gates, of which the second keeps the memory.

    Each gate's recurrent weights are drawn orthogonal whatever `init` says, as Keras does: what a wide or narrow draw does to
    a plain cell is not what a gated one is there to show.
    """

    @torch.no_grad()
    def draw_recurrent(self, settings: Mapping[str, Value]) -> None:
        for gate in self.recurrent.weight.chunk(self.gates):
            nn.init.orthogonal_(gate)

    @torch.no_grad()
    def set_gate_bias(self, bias: float) -> None:
        self.input.bias.chunk(self.gates)[1].fill_(bias)

    def set_layer_norm(self, kind: str) -> None:
        """None: gates bound the state by themselves, and a normalisation would undo their bias."""


class LSTMCell(_GatedCell):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers 2000. The state is (c, h)."""

    gates = 4
    states = 2

    def forward(self, x: Tensor, state: State) -> State:
        c, h = state
        i, f, g, o = (self.input(x) + self.recurrent(h)).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * self.activation(g)
        return c, o.sigmoid() * c.tanh()


class GRUCell(_GatedCell):
    """Cho et al. 2014 as PyTorch has it: h' = (1−z)·n + z·h, so that a positive bias of z keeps the memory."""

    gates = 3

    def forward(self, x: Tensor, state: State) -> State:
        (h,) = state
        x_r, x_z, x_n = self.input(x).chunk(3, dim=1)
        h_r, h_z, h_n = self.recurrent(h).chunk(3, dim=1)
        n = self.activation(x_n + (x_r + h_r).sigmoid() * h_n)
        z = (x_z + h_z).sigmoid()
        return ((1 - z) * n + z * h,)


CELLS: Mapping[str, type[Cell]] = {"rnn": Cell, "lstm": LSTMCell, "gru": GRUCell}


class RNN(nn.Module):
    """One cell, unrolled over the sequence, and a linear read-out of its last state."""

    def __init__(self, inputs: int, outputs: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        width = int(settings["width"])
        self.cell = CELLS[str(settings["cell"])](inputs, width, settings)
        self.read_out = nn.Linear(width, outputs)
        parts.initialise_read_out(self.read_out, settings)

    def set_cell(self, settings: Mapping[str, Value]) -> None:
        """Put a new cell, its weights just drawn, in the old one's place."""
        old = self.cell
        cell = CELLS[str(settings["cell"])](old.input.in_features, old.width, settings)
        cell.set_layer_norm(str(settings["layer_norm"]))
        self.cell = cell.to(old.input.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of sequences [batch, time, inputs]."""
        state = self.cell.start(x)
        for x_t in x.unbind(1):
            state = self.cell(x_t, state)
        logits: Tensor = self.read_out(state[-1])
        return logits


def build_rnn(settings: Mapping[str, Value], _: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """An RNN that reads `data`'s sequences."""
    return RNN(data.train_x.shape[-1], data.classes, settings)
