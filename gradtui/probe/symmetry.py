"""How many of a layer's units are different from each other: units that start alike get the same gradient and stay alike.

N_eff = n² / Σ_ij cos²(W_i, W_j) over the rows W_i of a weight matrix is n for orthogonal rows and 1 where all rows are the same
or opposite. A sample of rows shows that as well as all of them, and costs a layer of any size next to nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gradtui.probe.reduce import wide

SAMPLE = 16
"""Rows of a matrix that are compared, evenly spaced: an LSTM's gates and an attention's three projections all have their share."""

LEAST_UNITS = 8
LEAST_INPUTS = 16
"""Rows of fewer entries span so little that healthy ones look alike: with two inputs N_eff cannot exceed 2."""


def measurable(weight: Tensor) -> bool:
    """Whether `weight` has units to compare, and inputs enough for them to differ."""
    plain = weight.layout == torch.strided and not weight.is_complex()
    return plain and weight.ndim >= 2 and weight.shape[0] >= LEAST_UNITS and weight.numel() >= LEAST_INPUTS * weight.shape[0]


def effective_units(weights: Sequence[Tensor | None]) -> tuple[list[int], list[Tensor]]:
    """Places of the measurable weights, and their N_eff in some vectors; NaN: the weights are all zero, or not finite."""
    alike: dict[tuple[torch.device, torch.dtype, int], list[int]] = defaultdict(list)
    samples: dict[int, Tensor] = {}
    for place, weight in enumerate(weights):
        if weight is not None and measurable(weight):
            every = weight.shape[0] // SAMPLE or 1
            sample = weight[: every * SAMPLE : every]
            samples[place] = sample if sample.ndim == 2 else sample.flatten(1)
            alike[weight.device, weight.dtype, weight.numel() // weight.shape[0]].append(place)
    # Weights of fewer rows than the others are filled up with zeros, which do not count.
    found = [_effective(pad_sequence([samples[place] for place in places], batch_first=True)) for places in alike.values()]
    return [place for places in alike.values() for place in places], found


def _effective(rows: Tensor) -> Tensor:
    """N_eff of each matrix in a stack of them, (matrices, units, inputs); units whose weights are all 0 are not counted.

    In float64 no square of a float32 number underflows, so the rows need not be normalised first.
    """
    rows = rows.to(wide(rows))
    cosines = torch.bmm(rows, rows.transpose(1, 2))
    squares = cosines.diagonal(dim1=1, dim2=2)
    inverse = squares.clamp_min(torch.finfo(rows.dtype).tiny).rsqrt_()
    cosines.mul_(inverse.unsqueeze(1)).mul_(inverse.unsqueeze(2)).square_()
    count = squares.sum(1)  # by now 1 for every unit with a direction, 0 for the others
    return count.square_() / cosines.sum((1, 2))
