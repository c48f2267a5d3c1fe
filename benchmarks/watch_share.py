"""What a watched loop loses, and what the watch says that it takes, on one network that is watched and left alone by turns.

    python -m benchmarks.watch_share [--turns 1000] [--share 0.01] [--rate 10] [--network NAME]

Turns of four steps come in pairs, in a random order (in longer ones a host's ups and downs are taken for what watching costs); the table
gives the median and the quartiles of the pairs' ratios of CPU time, how far that median can be trusted (the mean's standard error), the
ratio of the sums, and what the watch's own meter counted over a bare step.
"""

from __future__ import annotations

import random
import statistics

import click
import torch

from benchmarks.by_turns import bare
from benchmarks.ratios import mlp, quartiles
from benchmarks.watch_overhead import Contender, networks, watched

STEPS = 4
SETTLED = 100
"""Turns after which the meter knows what things cost."""


def pair(contender: Contender) -> tuple[float, float]:
    """Seconds of a watched and of a bare turn, whichever comes first."""
    if random.random() < 0.5:
        return contender.run(STEPS), alone(contender)
    bare_turn = alone(contender)
    return contender.run(STEPS), bare_turn


def alone(contender: Contender) -> float:
    """Seconds of a bare turn; to what watches it none have passed."""
    trained = contender.trained
    with bare(contender.optimizer):
        seconds = contender.run(STEPS)
    contender.trained = trained
    return seconds


@click.command()
@click.option("--turns", type=click.IntRange(2), default=1000, show_default=True)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.01, show_default=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True)
@click.option("--network", default="21", show_default=True, help="Part of a network's name.")
def main(turns: int, share: float, rate: float, network: str) -> None:
    torch.set_num_threads(1)
    choice = networks() | {"21-layer 64-wide ReLU MLP, batch 64": (mlp(21), torch.randn(64, 64))}
    name = next((name for name in choice if network in name), None)
    if name is None:
        raise click.BadParameter(f"{network!r} is part of none of: {'; '.join(choice)}", param_hint="--network")
    model, x = choice[name]
    contender = Contender(model, x)
    run = watched(contender, share, rate)
    for _ in range(SETTLED):
        contender.run(STEPS)
    spent = run.meter.spent
    pairs = [pair(contender) for _ in range(turns)]
    spent = run.meter.spent - spent
    run.close()
    ratios, total = [mine / theirs for mine, theirs in pairs], sum(theirs for _, theirs in pairs)
    found, error = quartiles(ratios), statistics.stdev(ratios) / turns**0.5
    click.echo(
        f"{name}, {1000 * total / turns / STEPS:.2f} ms a step, share {share:g}, {rate:g} frames/s, {turns} pairs of {STEPS} steps\n"
    )
    click.echo("| watched / bare, median | quartiles | ± | of all | told |\n|---|---|---|---|---|")
    click.echo(
        f"| {found['ratio']:.4f} | {found['low']:.3f} – {found['high']:.3f} | {error:.4f} "
        f"| {sum(mine for mine, _ in pairs) / total:.4f} | {spent / total:.2%} |"
    )


if __name__ == "__main__":
    main()
