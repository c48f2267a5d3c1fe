"""Contenders against a bare loop: the networks they train, their ratios with quartiles, and the command that prints them. The overhead
benchmarks share it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence

import click
import torch
from torch import Tensor, nn

BARE = "bare loop"

Found = dict[str, dict[str, float]]
"""By contender: milliseconds a step, the ratio to the bare loop's with its quartiles, and what else there is to say."""

Networks = Mapping[str, tuple[nn.Module, Tensor]]
"""By name: a network, and what it is trained on."""


def mlp(depth: int, he: bool = False) -> nn.Module:
    """Of 64-wide layers, as PyTorch initialises them, under which the gradient vanishes; or after He 2015, under which it does not."""
    layers = [nn.Linear(64, 64) for _ in range(depth)]
    if he:
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return nn.Sequential(*(module for layer in layers for module in (layer, nn.ReLU())))


def transformer() -> nn.Module:
    """Four blocks of 128, with a read-out."""
    block = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, norm_first=True, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(block, 4, enable_nested_tensor=False), nn.Linear(128, 64))


def quartiles(ratios: Sequence[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"ratio": middle, "low": low, "high": high}


def compare(times: Mapping[str, Sequence[float]]) -> Found:
    """Seconds a step in every round, by contender; one that sat out later rounds has fewer."""
    bare = times[BARE]
    return {
        name: {"ms": 1000 * statistics.median(taken)} | quartiles([mine / alone for mine, alone in zip(taken, bare, strict=False)])
        for name, taken in times.items()
    }


def command(
    networks: Callable[[], Networks],
    measure: Callable[[nn.Module, Tensor, int], Found],
    column: tuple[str, Callable[[Mapping[str, float]], str]],
    divisors: Sequence[int],
    rounds: int,
    as_json: bool,
) -> None:
    """Measure every network, on one thread, in `rounds` divided by its divisor, and print tables; `column`: the last one."""
    torch.set_num_threads(1)
    results = {
        name: measure(model, x, max(4, rounds // divisor)) for (name, (model, x)), divisor in zip(networks().items(), divisors, strict=True)
    }
    if as_json:
        click.echo(json.dumps({"torch": torch.__version__, "rounds": rounds, "results": results}, indent=2))
        return
    heading, cell = column
    for name, rows in results.items():
        click.echo(f"\n| {name} | ms/step | × bare loop | quartiles | {heading} |\n|---|---|---|---|---|")
        for way, row in rows.items():
            click.echo(f"| {way} | {row['ms']:.2f} | {row['ratio']:.3f} | {row['low']:.3f} – {row['high']:.3f} | {cell(row)} |")
