"""What watching gradients costs a training step: the probe, and what people do without it, in one interleaved run.

    python -m benchmarks.probe_overhead [--json] [--rounds N]

Every contender trains a copy of its own of the same network, on one CPU thread. A round takes ten steps of each in a random
order and divides its time by that of the bare loop in the same round; the table gives the median of the rounds and their
quartiles. A contender that has used its seconds sits out the rest. Times are CPU times of this process, which a busy machine
blurs less; W&B's own process comes on top. W&B and TensorBoard are measured where they are installed
(`pip install '.[bench]'`).
"""

from __future__ import annotations

import copy
import importlib.util
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import torch
from torch import Tensor, nn

from benchmarks.ratios import BARE, Found, command, compare, mlp, transformer
from gradtui.probe import Probe

STEPS = 10
SECONDS = 6.0
"""What one contender may use for one network."""

Hook = Callable[[int], object]


def nothing(step: int) -> None:
    pass


@dataclass
class Watcher:
    """What is called around a step; `step` counts from 0 within the round."""

    before: Hook = nothing
    after_backward: Hook = nothing
    after_update: Hook = nothing


class Contender:
    """A network under training, with a watcher."""

    def __init__(self, model: nn.Module, x: Tensor, watch: Callable[[nn.Module, Tensor], Watcher]) -> None:
        self.model, self.x = copy.deepcopy(model), x
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1e-3)
        self.watcher = watch(self.model, x)

    def run(self) -> float:
        """Seconds for a round's steps."""
        watcher, started = self.watcher, time.process_time()
        for step in range(STEPS):
            watcher.before(step)
            self.optimizer.zero_grad()
            self.model(self.x).square().mean().backward()
            watcher.after_backward(step)
            self.optimizer.step()
            watcher.after_update(step)
        return time.process_time() - started


def bare(model: nn.Module, x: Tensor) -> Watcher:
    return Watcher()


def probe_norms(model: nn.Module, x: Tensor) -> Watcher:
    probe = Probe(model)
    with probe.discovering():
        model(x)
    return Watcher(after_backward=lambda step: probe.measure_gradients())


def probe_frames(model: nn.Module, x: Tensor) -> Watcher:
    probe = Probe(model)
    with probe.discovering():
        model(x)

    def after_backward(step: int) -> None:
        probe.measure_gradients()
        if step == 0:
            probe.before_update()

    return Watcher(lambda step: probe.arm() if step == 0 else None, after_backward, lambda step: probe.collect() if step == 0 else None)


def items(model: nn.Module, x: Tensor) -> Watcher:
    def norms(step: int) -> list[float]:
        return [parameter.grad.norm().item() for parameter in model.parameters() if parameter.grad is not None]

    return Watcher(after_backward=norms)


def wandb_watch(model: nn.Module, x: Tensor) -> Watcher:
    import wandb

    os.environ["WANDB_SILENT"] = "true"
    run = wandb.init(mode="offline", dir=tempfile.mkdtemp(prefix="probe-overhead-"), project="probe-overhead", reinit=True)
    run.watch(model, log="gradients", log_freq=1)
    return Watcher(after_update=lambda step: run.log({"step": step}))


def tensorboard_histograms(model: nn.Module, x: Tensor) -> Watcher:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tempfile.mkdtemp(prefix="probe-overhead-"))

    def write(step: int) -> None:
        for name, parameter in model.named_parameters():
            writer.add_histogram(name, parameter.grad, step)

    return Watcher(after_backward=write)


WATCHERS: dict[str, tuple[str, Callable[[nn.Module, Tensor], Watcher]]] = {
    BARE: ("torch", bare),
    "probe: norms every step": ("torch", probe_norms),
    "probe: norms every step, a frame every 10": ("torch", probe_frames),
    "`.grad.norm().item()` per parameter, every step": ("torch", items),
    "W&B `watch`, offline, every step": ("wandb", wandb_watch),
    "TensorBoard histograms, every step": ("tensorboard", tensorboard_histograms),
}


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    torch.manual_seed(0)
    vanishing = mlp(50)
    healthy = copy.deepcopy(vanishing)
    for module in healthy.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return {
        "50-layer 64-wide ReLU MLP, batch 64, He's initialisation": (healthy, torch.randn(64, 64)),
        "the same with PyTorch's own initialisation (gradients below 1e-12)": (vanishing, torch.randn(64, 64)),
        "4-block 128-wide transformer, 8 × 32 tokens": (transformer(), torch.randn(8, 32, 128)),
    }


def measure(model: nn.Module, x: Tensor, rounds: int) -> Found:
    """Name -> milliseconds a step, and the ratio to the bare loop with its quartiles."""
    contenders = {name: Contender(model, x, watch) for name, (package, watch) in WATCHERS.items() if importlib.util.find_spec(package)}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name in random.sample(list(contenders), len(contenders)):
            if STEPS * sum(times[name]) < SECONDS or name == BARE:
                seconds = contenders[name].run()
                if turn > 0:  # the first round warms up
                    times[name].append(seconds / STEPS)
    found = compare(times)
    return {name: row | {"rounds": len(times[name])} for name, row in found.items()}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a Markdown table.")
@click.option("--rounds", default=60, show_default=True, help="Rounds for the first network; fewer for the others.")
def main(as_json: bool, rounds: int) -> None:
    """Compare what watching gradients costs."""
    command(networks, measure, ("rounds", lambda row: f"{row['rounds']:.0f}"), (1, 2, 4), rounds, as_json)


if __name__ == "__main__":
    main()
