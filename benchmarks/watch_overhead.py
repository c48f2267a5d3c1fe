"""What `gradtui.watch` costs a training step, beside what people do without it, in one interleaved run.

    python -m benchmarks.watch_overhead [--json] [--rounds N] [--gpu]

Every contender trains a copy of its own of the same network, on one CPU thread, with AdamW and clipping, as a user's loop does. A
round takes some steps of each in a random order and divides its time by that of the bare loop in the same round; the table gives the
median of the rounds and their quartiles. W&B and TensorBoard are measured where they are installed (`pip install '.[bench]'`). With
`--gpu`, a network of GPT-2's size in bf16 is timed instead: gpu_overhead.py.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import torch
from torch import Tensor, nn

import gradtui
from benchmarks import gpu_overhead
from benchmarks.ratios import BARE, Found, command, compare, mlp, transformer
from gradtui.stream.events import Frame
from gradtui.stream.follower import read_all
from gradtui.watching.meter import Meter
from gradtui.watching.run import Run

STEPS = 10
WARM_UP = 8
"""Rounds that are not counted: the meter has settled by then."""

Hook = Callable[[int], object]
"""Called with the step, counted from 0, after the backward pass or after the update."""


def nothing(step: int) -> None:
    pass


class Contender:
    """A network under training, watched in one way."""

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        self.model, self.x = copy.deepcopy(model), x
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4)
        self.after_backward: Hook = nothing
        self.after_update: Hook = nothing
        self.recording: Path | None = None
        self.trained, self._began = 0.0, 0.0
        """Seconds, up to its last turn."""

    def clock(self) -> float:
        """Seconds that this contender has trained: the time of the others is not its own. Of the clock that is read outside of benchmarks,
        too: to read the processor's takes twenty times as long."""
        return self.trained + time.perf_counter() - self._began

    def run(self, steps: int = STEPS) -> float:
        """The processor's seconds for a turn's steps."""
        self._began = time.perf_counter()
        started = time.process_time()
        for step in range(steps):
            self.optimizer.zero_grad()
            self.model(self.x).square().mean().backward()
            self.after_backward(step)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.after_update(step)
        seconds = time.process_time() - started
        self.trained += time.perf_counter() - self._began
        return seconds


def watched(contender: Contender, share: float, rate: float = 10.0) -> Run:
    contender.recording = Path(tempfile.mkdtemp(prefix="watch-overhead-"))
    run = gradtui.watch(contender.model, contender.optimizer, run_dir=contender.recording)
    run.meter = Meter(share, 1 / rate, contender.clock)
    return run


def items(contender: Contender) -> None:
    parameters = list(contender.model.parameters())
    contender.after_backward = lambda step: [parameter.grad.norm().item() for parameter in parameters if parameter.grad is not None]


def wandb_watch(contender: Contender) -> None:
    import wandb

    os.environ["WANDB_SILENT"] = "true"
    run = wandb.init(mode="offline", dir=tempfile.mkdtemp(prefix="watch-overhead-"), project="watch-overhead", reinit=True)
    run.watch(contender.model, log="gradients", log_freq=1)
    contender.after_update = lambda step: run.log({"step": step})


def tensorboard_histograms(contender: Contender) -> None:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tempfile.mkdtemp(prefix="watch-overhead-"))

    def write(step: int) -> None:
        for name, parameter in contender.model.named_parameters():
            writer.add_histogram(name, parameter.grad, step)

    contender.after_backward = write


WAYS: dict[str, tuple[str, Callable[[Contender], object]]] = {
    BARE: ("torch", lambda contender: None),
    "`gradtui.watch(model, optimizer)`: 1% at most": ("torch", lambda contender: watched(contender, share=0.01)),
    "… `share=0.03`": ("torch", lambda contender: watched(contender, share=0.03)),
    "… `share=1, rate=0.01`: norms every step, no frames": ("torch", lambda contender: watched(contender, share=1.0, rate=0.01)),
    "… `share=1`: norms every step, 10 frames/s": ("torch", lambda contender: watched(contender, share=1.0)),
    "`.grad.norm().item()` per parameter, every step": ("torch", items),
    "W&B `watch`, offline, every step": ("wandb", wandb_watch),
    "TensorBoard histograms, every step": ("tensorboard", tensorboard_histograms),
}


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    """Under PyTorch's own initialisation the MLP's first gradients are so small that float32 has no squares for them, which makes it the
    dearest to measure; He's is what such a network needs to learn. The second transformer is nanoGPT's own setting for a CPU (4 blocks
    of 128, 12 sequences of 64 tokens), the first a third of it: how many tokens a step has for each parameter is what reading the
    parameters' gradients is held against."""
    torch.manual_seed(0)
    small = transformer()
    return {
        "50-layer 64-wide ReLU MLP, batch 64": (mlp(50), torch.randn(64, 64)),
        "50-layer 64-wide ReLU MLP after He, batch 64": (mlp(50, he=True), torch.randn(64, 64)),
        "4-block 128-wide transformer, 8 × 32 tokens": (small, torch.randn(8, 32, 128)),
        "4-block 128-wide transformer, 12 × 64 tokens": (small, torch.randn(12, 64, 128)),
    }


def measure(model: nn.Module, x: Tensor, rounds: int) -> Found:
    """Name -> milliseconds a step, the ratio to the bare loop with its quartiles, and for gradtui what its own meter says."""
    contenders: dict[str, Contender] = {}
    for name, (package, way) in WAYS.items():
        if importlib.util.find_spec(package):
            contenders[name] = Contender(model, x)
            way(contenders[name])
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + WARM_UP):
        for name in random.sample(list(contenders), len(contenders)):
            seconds = contenders[name].run()
            if turn >= WARM_UP:
                times[name].append(seconds / STEPS)
    found = compare(times)
    return {name: row | (said(where) if (where := contenders[name].recording) is not None else {}) for name, row in found.items()}


def said(recording: Path) -> dict[str, float]:
    """How many frames were made, and the last one's stride of norms."""
    frames = [event for event in read_all(recording / "events.jsonl") if isinstance(event, Frame)]
    return {"frames": len(frames), "norms_every": frames[-1].metrics.get("norms_every", 1.0)}


def kept(row: Mapping[str, float]) -> str:
    return f"{row['frames']:.0f}, {row['norms_every']:.0f}" if "frames" in row else ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a Markdown table.")
@click.option("--rounds", default=100, show_default=True, help="Rounds for the MLPs; a third and a sixth of them for the transformers.")
@click.option("--gpu", is_flag=True, help="A network of GPT-2's size in bf16, on the GPU.")
def main(as_json: bool, rounds: int, gpu: bool) -> None:
    """Compare what watching a user's loop costs."""
    if gpu:
        gpu_overhead.main(rounds)
    else:
        command(networks, measure, ("frames, norms every", kept), (1, 1, 3, 6), rounds, as_json)


if __name__ == "__main__":
    main()
