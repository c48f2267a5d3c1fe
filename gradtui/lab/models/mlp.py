"""A multi-layer perceptron whose every block can swap its normalisation, activation and skip while it trains."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from gradtui.lab.data import Dataset
from gradtui.lab.models import parts
from gradtui.stream.events import Value


class Block(nn.Module):
    """h = φ(norm(W x + b)), or x + branch·φ(…) with a skip. The pre-activation is norm's output."""

    def __init__(self, inputs: int, width: int, settings: Mapping[str, Value], *, may_skip: bool, bias: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.norm: nn.Module = nn.Identity()
        self.activation = parts.activation(settings)
        self.may_skip = may_skip
        self.bias = bias
        self.branch = 0.0
        self.initialise(settings)

    def initialise(self, settings: Mapping[str, Value]) -> None:
        """Draw the weights anew; every bias starts at the same value."""
        parts.initialise(self.linear.weight, settings)
        nn.init.constant_(self.linear.bias, self.bias)

    def set_norm(self, kind: str) -> None:
        self.norm = parts.batch_norm(kind, self.linear.out_features, dimensions=1).to(self.linear.weight.device)

    def set_branch(self, weight: float) -> None:
        self.branch = weight if self.may_skip else 0.0

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.activation(self.norm(self.linear(x)))
        return x + self.branch * h if self.branch else h


class MLP(nn.Module):
    """`depth` blocks of equal `width` and a linear read-out. A skip needs equal sizes, so the first block has none."""

    def __init__(self, inputs: int, outputs: int, settings: Mapping[str, Value], bias: float = 0.0) -> None:
        super().__init__()
        depth, width = int(settings["depth"]), int(settings["width"])
        sizes = [inputs] + [width] * (depth - 1)
        self.hidden = nn.Sequential(*(Block(size, width, settings, may_skip=i > 0, bias=bias) for i, size in enumerate(sizes)))
        self.read_out = nn.Linear(width, outputs)
        parts.initialise_read_out(self.read_out, settings)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.read_out(self.hidden(x.flatten(1)))
        return logits


def build_mlp(settings: Mapping[str, Value], options: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """An MLP that reads `data`'s rows."""
    return MLP(data.train_x[0].numel(), data.outputs, settings, float(options["bias"]))
