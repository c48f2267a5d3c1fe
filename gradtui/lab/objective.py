"""What a training minimises and what it reports, as its data asks: cross-entropy for classes, mean squared error for numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradtui.lab.data import Dataset


def loss(data: Dataset, output: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch."""
    return F.cross_entropy(output, target) if data.classes else F.mse_loss(output, target.reshape(output.shape))


@torch.no_grad()
def metrics(data: Dataset, model: nn.Module) -> dict[str, float]:
    """On the test set: `accuracy`, or `r2`, the share of the variance that is explained."""
    model.eval()
    output: Tensor = model(data.test_x)
    model.train()
    if data.classes:
        return {"accuracy": (output.argmax(1) == data.test_y).float().mean().item()}
    target = data.test_y.reshape(output.shape)
    return {"r2": 1 - (F.mse_loss(output, target) / target.var(correction=0)).item()}
