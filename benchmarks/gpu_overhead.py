"""What `gradtui.watch` costs a step of GPT-2's size in bf16 on a GPU: time, bytes read, and that it waits for nothing.

Steps with and without it alternate in one process, timed by CUDA events around ten at a time.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor, nn

import gradtui
from benchmarks.gpt2 import CONTEXT, GPT2, VOCABULARY
from benchmarks.ratios import BARE, compare
from gradtui.stream.events import Frame
from gradtui.stream.follower import read_all
from gradtui.watching.run import Run

STEPS = 10
BATCH = 8
WARM_UP = 6


def stepper(model: nn.Module, tokens: Tensor) -> tuple[torch.optim.Optimizer, Callable[[], Tensor]]:
    """The optimizer, and what makes one step and returns the loss."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, fused=True)

    def step() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss: Tensor = model(tokens)
        loss.backward()
        optimizer.step()
        return loss

    return optimizer, step


def seconds(act: Callable[[], object]) -> float:
    """What the GPU takes for it."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    act()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def bandwidth() -> float:
    """Bytes a second that a copy on the card moves, read and written."""
    source = torch.empty(2**28, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * source.nbytes / statistics.median(seconds(lambda: target.copy_(source)) for _ in range(10))


def main(rounds: int) -> None:
    """Print the figures; exit code 2 where there is no GPU."""
    if not torch.cuda.is_available():
        click.echo("there is no CUDA device here: --gpu times a network of GPT-2's size on one", err=True)
        raise SystemExit(2)
    torch.manual_seed(0)
    tokens = torch.randint(VOCABULARY, (BATCH, CONTEXT), device="cuda")
    recording = Path(tempfile.mkdtemp(prefix="gpu-overhead-"))
    acts: dict[str, Callable[[], object]] = {}
    runs: list[Run] = []
    for name in (BARE, "watched, 1% at most", "watched, norms every step, 10 frames/s"):
        model = GPT2().cuda()
        optimizer, step = stepper(model, tokens)
        acts[name] = step
        if name != BARE:
            run = gradtui.watch(model, optimizer, run_dir=recording / str(len(acts)), share=0.01 if len(acts) == 2 else 1.0)
            runs.append(run)
            acts[name] = lambda step=step, run=run: run.log(loss=step())
    times: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(rounds + WARM_UP):
        for name in random.sample(list(acts), len(acts)):
            taken = seconds(lambda act=acts[name]: [act() for _ in range(STEPS)])  # type: ignore[misc]
            if turn >= WARM_UP:
                times[name].append(taken / STEPS)
    click.echo(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {BATCH} x {CONTEXT} tokens, bf16 autocast, fused AdamW\n")
    click.echo("| | ms/step | × bare loop | quartiles |\n|---|---|---|---|")
    for name, row in compare(times).items():
        click.echo(f"| {name} | {row['ms']:.2f} | {row['ratio']:.4f} | {row['low']:.4f} – {row['high']:.4f} |")
    for place in sorted(recording.iterdir()):
        frames = [event for event in read_all(place / "events.jsonl") if isinstance(event, Frame)]
        click.echo(f"{place.name}: {len(frames)} frames, norms every {frames[-1].metrics.get('norms_every', 1):.0f} steps")
    tell_bytes(model, statistics.median(times[BARE]))
    torch.cuda.set_sync_debug_mode("error")
    for _ in range(STEPS):
        for act in acts.values():
            act()
    torch.cuda.set_sync_debug_mode("default")
    # What is raised in watching never reaches the loop: it ends the watching.
    stopped = [run for run in runs if not run.active]
    click.echo("a watched step waits for the card" if stopped else "no synchronisation in a watched step (set_sync_debug_mode)")


def tell_bytes(model: nn.Module, step: float) -> None:
    """What the statistics must read at least, and how long that takes at the card's copy bandwidth."""
    speed = bandwidth()
    gradients = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    click.echo(f"copy bandwidth {speed / 1e12:.2f} TB/s")
    # A frame reads the gradients for norms and for their extremes, and the weights before and after the update.
    for what, size in (("norms, a step", gradients), ("a frame, at least", 4 * gradients)):
        click.echo(f"{what}: {size / 1e9:.2f} GB, {1000 * size / speed:.2f} ms at that, {size / speed / step:.2%} of a bare step")
