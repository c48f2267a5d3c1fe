"""How many of a layer's units are different from each other: units that start alike get the same gradient and stay alike.

N_eff = n² / Σ_ij cos²(W_i, W_j) over the rows W_i of a weight matrix is n for orthogonal rows and 1 where all rows are the same
or opposite. A sample of rows shows that as well as all of them, and costs a layer of any size next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradtui.probe.reduce import Batch, wide

SAMPLE = 16
"""Rows of a matrix that are compared, evenly spaced: an LSTM's gates and an attention's three projections all have their share."""

LEAST_UNITS = 8
LEAST_INPUTS = 16
"""Rows of fewer entries span so little that healthy ones look alike: with two inputs N_eff cannot exceed 2."""


def measurable(weight: Tensor) -> bool:
    """Whether `weight` has units to compare, and inputs enough for them to differ."""
    plain = weight.layout == torch.strided and not weight.is_complex()
    return plain and weight.ndim >= 2 and weight.shape[0] >= LEAST_UNITS and weight[0].numel() >= LEAST_INPUTS


def effective_units(weights: Sequence[Tensor], batches: Sequence[Batch], matrices: Sequence[Tensor]) -> tuple[list[int], list[Tensor]]:
    """Places of the measurable weights, and their N_eff, one vector a stack; NaN: the weights are all zero, or not finite.

    `matrices` are what `reduce.matrices` made of `batches`: the weights as rows.
    """
    places: list[int] = []
    found: list[Tensor] = []
    left = iter(matrices)
    for batch in batches:
        for group in [batch.members] if batch.stacked else [(member,) for member in batch.members]:
            matrix, weight = next(left), weights[group[0]]
            if measurable(weight):
                places += group
                found.append(_effective(matrix.view(len(group), weight.shape[0], -1)))
    return places, found


def _effective(stack: Tensor) -> Tensor:
    """N_eff of each matrix in a stack of them, (matrices, units, inputs); units whose weights are all 0 are not counted."""
    rows = stack[:, :: stack.shape[1] // SAMPLE or 1][:, :SAMPLE].float()
    norms = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
    directions = rows / norms.clamp_min(torch.finfo(torch.float32).tiny)
    cosines = torch.bmm(directions, directions.transpose(1, 2)).flatten(1)
    count = norms.ne(0).sum((1, 2), dtype=wide(stack))
    total = torch.linalg.vector_norm(cosines, dim=1, dtype=wide(stack))
    effective: Tensor = count.square() / total.square()
    return effective
