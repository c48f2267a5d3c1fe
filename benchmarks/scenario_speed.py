"""Steps a second of every scenario under the probe, with a frame every 10 steps, beside a plain loop of the same training.

    python -m benchmarks.scenario_speed [--only SCENARIO]… [--pairs 9] [--seconds 0.4]

Both loops run in one process and take turns, a stretch of steps each, in the order plain, measured, measured, plain, so that
a machine that slows down slows both. The figure is the median over the pairs of measured speed / plain speed; the budget is
0.95. Prints a Markdown table; exits 1 if a scenario is under the budget.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gradtui.lab import precision, toggles
from gradtui.lab.gan import GanSession
from gradtui.lab.scenario import Scenario, catalog
from gradtui.lab.session import Session
from gradtui.lab.sessions import Training, begin
from gradtui.stream.events import Frame
from gradtui.stream.writer import EventWriter

BUDGET = 0.95
EVERY = 10
CPU = torch.device("cpu")

Step = Callable[[], None]


def plain_step(session: Session) -> Step:
    """One step of the loop that everyone writes, on the session's network, optimizer and data."""
    model, optimizer = session.learner.model, session.learner.optimizer
    batches = session.data.batches(int(session.settings["batch"]), seed=0)
    factor = float(session.scenario.options.get("loss_factor", 1.0))

    def step() -> None:
        x, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        with precision.autocast(session.settings, CPU):
            loss = torch.nn.functional.cross_entropy(model(x), y) * factor
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def plain_gan_step(session: GanSession) -> Step:
    """One generator iteration of Arjovsky 2017's algorithm: five critic updates with their weights clipped, then its own."""
    critic, generator = session.critic, session.generator
    batch, bound = int(session.settings["batch"]), float(session.settings["weight_clip"])
    batches = session.data.batches(batch, seed=0)

    def update_critic() -> None:
        real, _ = next(batches)
        with torch.no_grad():
            generated = generator.model(torch.randn(batch, 2))
        critic.optimizer.zero_grad(set_to_none=True)
        (critic.model(generated).mean() - critic.model(real).mean()).backward()
        critic.optimizer.step()
        with torch.no_grad():
            for parameter in critic.model.parameters():
                parameter.clamp_(-bound, bound)

    def step() -> None:
        for _ in range(5):
            update_critic()
        for parameter in critic.model.parameters():
            parameter.requires_grad_(False)
        generator.optimizer.zero_grad(set_to_none=True)
        (-critic.model(generator.model(torch.randn(batch, 2))).mean()).backward()
        generator.optimizer.step()
        for parameter in critic.model.parameters():
            parameter.requires_grad_(True)

    return step


def measured_step(session: Training, writer: EventWriter) -> Step:
    """One step as the trainer takes it, its frame written."""

    def step() -> None:
        number = session.step
        found = session.take_step(measure=number % EVERY == 0)
        if found:
            columns: dict[str, Any] = dict(found.layers)
            writer.append(Frame(step=number, time=0.0, loss=found.loss, total_norm=found.total_norm, **columns))

    return step


def compare(scenario: Scenario, pairs: int, seconds: float) -> tuple[float, float, float]:
    """Steps a second of both loops, plain first, and the median ratio."""
    settings = toggles.initial(scenario)
    bare, probed = (begin(scenario, settings, 0, CPU) for _ in range(2))
    plain = plain_gan_step(bare) if isinstance(bare, GanSession) else plain_step(_single(bare))
    with tempfile.TemporaryDirectory() as path:
        measured = measured_step(probed, EventWriter(Path(path) / "events.jsonl"))
        for step in (plain, measured):
            seconds_of(step, EVERY)
        count = EVERY * max(1, round(seconds / seconds_of(plain, EVERY)))
        times: list[tuple[float, float]] = []
        for pair in range(pairs):
            first, second = (plain, measured) if pair % 2 else (measured, plain)
            a, b = seconds_of(first, count), seconds_of(second, count)
            times.append((a, b) if pair % 2 else (b, a))
    ratio = statistics.median(a / b for a, b in times)
    return count / statistics.median(a for a, _ in times), count / statistics.median(b for _, b in times), ratio


def _single(session: Training) -> Session:
    assert isinstance(session, Session)
    return session


def seconds_of(step: Step, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="SCENARIO")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.4, help="a stretch of one loop, about")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| scenario | plain, steps/s | measured, steps/s | ratio |\n|---|---|---|---|")
    slow = False
    for scenario in catalog():
        if scenario.name in (arguments.only or [scenario.name]):
            plain, measured, ratio = compare(scenario, arguments.pairs, arguments.seconds)
            slow |= ratio < BUDGET
            print(f"| {scenario.name} | {plain:.0f} | {measured:.0f} | {ratio:.3f} |", flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
