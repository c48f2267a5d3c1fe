"""What a watched loop loses, and what the watch says that it takes, on one network that is watched and left alone by turns.

    python -m benchmarks.watch_share [--turns 500] [--share 0.01] [--rate 10] [--network NAME]

Turns of 20 steps come in pairs, in a random order; the table gives the median and the quartiles of the pairs' ratios of CPU time, how
far that median can be trusted (the mean's standard error), the ratio of the sums, and what the watch's own meter counted over a bare
step.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

import click
import torch
from torch import Tensor, nn

import gradtui
from benchmarks.by_turns import bare
from benchmarks.ratios import quartiles
from benchmarks.watch_overhead import mlp, networks
from gradtui.watching.meter import Meter

STEPS = 20
SETTLED = 20
"""Turns after which the meter knows what things cost."""


class Loop:
    """Somebody's training of `model`, watched."""

    def __init__(self, model: nn.Module, x: Tensor, share: float, rate: float) -> None:
        self._model, self._x = model, x
        self._optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
        self._watched = self._started = 0.0
        self.turn()
        self._run = gradtui.watch(model, self._optimizer, run_dir=Path(tempfile.mkdtemp(prefix="watch-share-")))
        self._run.meter = self.meter = Meter(share, 1 / rate, self._clock)

    def _clock(self) -> float:
        """Seconds trained while watched."""
        return self._watched + time.process_time() - self._started

    def turn(self) -> float:
        """Seconds for some steps."""
        started = self._started = time.process_time()
        for _ in range(STEPS):
            self._optimizer.zero_grad()
            self._model(self._x).square().mean().backward()
            nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()
        seconds = time.process_time() - started
        self._watched += seconds
        return seconds

    def pair(self) -> tuple[float, float]:
        """Seconds of a watched and of a bare turn."""
        if random.random() < 0.5:
            return self.turn(), self._bare_turn()
        alone = self._bare_turn()
        return self.turn(), alone

    def _bare_turn(self) -> float:
        watched = self._watched
        with bare(self._optimizer):
            seconds = self.turn()
        self._watched = watched
        return seconds

    def close(self) -> None:
        self._run.close()


@click.command()
@click.option("--turns", type=click.IntRange(2), default=500, show_default=True)
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
    loop = Loop(model, x, share, rate)
    for _ in range(SETTLED):
        loop.turn()
    spent = loop.meter.spent
    pairs = [loop.pair() for _ in range(turns)]
    spent = loop.meter.spent - spent
    loop.close()
    ratios, alone = [watched / bare for watched, bare in pairs], sum(bare for _, bare in pairs)
    found, error = quartiles(ratios), statistics.stdev(ratios) / turns**0.5
    click.echo(
        f"{name}, {1000 * alone / turns / STEPS:.2f} ms a step, share {share:g}, {rate:g} frames/s, {turns} pairs of {STEPS} steps\n"
    )
    click.echo("| watched / bare, median | quartiles | ± | of all | told |\n|---|---|---|---|---|")
    click.echo(
        f"| {found['ratio']:.4f} | {found['low']:.3f} – {found['high']:.3f} | {error:.4f} "
        f"| {sum(watched for watched, _ in pairs) / alone:.4f} | {spent / alone:.2%} |"
    )


if __name__ == "__main__":
    main()
