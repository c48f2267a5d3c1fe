"""What a watched loop loses, and what the watch says that it takes, on one network that is watched and left alone by turns.

    python -m benchmarks.watch_share [--turns 500] [--share 0.01] [--rate 10] [--network NAME]

Two copies of one network differ by a few per cent for no reason but where their memory lies, which is more than the share that is to be
seen. So there is one copy: before a bare turn all that watching has put in is taken out, and put back after it. Turns of 20 steps come
in pairs, in a random order; the table gives the median and the quartiles of the pairs' ratios of CPU time, how far that median can be
trusted (the mean's standard error), the ratio of the sums, and what the watch's own meter counted over a bare step.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import torch
from torch import Tensor, nn

import gradtui
from benchmarks.ratios import quartiles
from benchmarks.watch_overhead import mlp, networks
from gradtui.watching import seams
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

    @contextmanager
    def bare(self) -> Iterator[None]:
        hooks = self._optimizer._optimizer_step_pre_hooks, self._optimizer._optimizer_step_post_hooks
        kept, listeners, watched = [dict(found) for found in hooks], list(seams._listeners), self._watched
        for found in hooks:
            found.clear()
        seams._listeners.clear()
        seams._unwrap()
        yield
        seams._wrap()
        seams._listeners.extend(listeners)
        for found, before in zip(hooks, kept, strict=True):
            found.update(before)
        self._watched = watched

    def pair(self) -> tuple[float, float]:
        """Seconds of a watched and of a bare turn."""
        if random.random() < 0.5:
            return self.turn(), self._bare_turn()
        bare = self._bare_turn()
        return self.turn(), bare

    def _bare_turn(self) -> float:
        with self.bare():
            return self.turn()

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
    name, (model, x) = next((name, found) for name, found in choice.items() if network in name)
    loop = Loop(model, x, share, rate)
    for _ in range(SETTLED):
        loop.turn()
    spent = loop.meter.spent
    pairs = [loop.pair() for _ in range(turns)]
    spent = loop.meter.spent - spent
    loop.close()
    ratios, bare = [watched / alone for watched, alone in pairs], sum(alone for _, alone in pairs)
    found, error = quartiles(ratios), statistics.stdev(ratios) / turns**0.5
    click.echo(f"{name}, {1000 * bare / turns / STEPS:.2f} ms a step, share {share:g}, {rate:g} frames/s, {turns} pairs of {STEPS} steps\n")
    click.echo("| watched / bare, median | quartiles | ± | of all | told |\n|---|---|---|---|---|")
    click.echo(
        f"| {found['ratio']:.4f} | {found['low']:.3f} – {found['high']:.3f} | {error:.4f} "
        f"| {sum(watched for watched, _ in pairs) / bare:.4f} | {spent / bare:.2%} |"
    )


if __name__ == "__main__":
    main()
