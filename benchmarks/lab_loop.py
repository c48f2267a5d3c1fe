"""The lab's loop under a live screen, against a plain PyTorch loop of the same training: steps a second.

    python -m benchmarks.lab_loop [--runs N] [--steps N] [--scenario NAME]

The plain loop is what one would write by hand: the same network, data, batches, optimizer and evaluations on the test set;
no probe, no events, no toggles. It does not read its loss between evaluations, and it neither clips nor regularises, as the
scenarios are at their start. The lab's runs as fast as it goes under a screen of 120×40 on a real pseudo-terminal that is
read all the while. Both are processes of their own and take turns, headless runs among them; the first fifth of each run,
in which it warms up, is left out. The lab's steps and times are read from its own recording.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gradtui.stream.events import End, Frame
from gradtui.stream.follower import read_all
from tests.command import COMMAND, environment
from tests.terminal import Terminal

BUDGET = 0.95
"""Of the plain loop's steps a second, under a live screen."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--scenario", default="deep-sigmoid")
    parser.add_argument("--plain", action="store_true", help="the plain loop, in this process")
    options = parser.parse_args()
    if options.plain:
        print(plain(options.scenario, options.steps))
        return
    ways: dict[str, Callable[[str, int], float]] = {"plain loop": _plain, "lab, headless": _headless, "lab under a screen": _screen}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.runs):
        for name, once in ways.items():
            found[name].append(once(options.scenario, options.steps))
    print(f"{options.scenario}, {options.steps} steps, {options.runs} runs each\n")
    print("| loop | steps/s, median | lowest–highest | of the plain loop's, median of the turns |\n|---|---|---|---|")
    for name, rates in found.items():
        ratios = [one / other for one, other in zip(rates, found["plain loop"], strict=True)]
        rate, ratio = statistics.median(rates), statistics.median(ratios)
        print(f"| {name} | {rate:.0f} | {min(rates):.0f}–{max(rates):.0f} | {ratio:.3f} ({min(ratios):.3f}–{max(ratios):.3f}) |")
    print(f"\nbudget: {BUDGET} under a screen")


def plain(name: str, steps: int) -> float:
    """Steps a second of the training written by hand."""
    import torch

    from gradtui.lab import objective, optimizers, toggles
    from gradtui.lab.loop import EVALUATE_EVERY
    from gradtui.lab.scenario import load
    from gradtui.lab.session import Session

    scenario = load(name)
    settings = toggles.initial(scenario)
    session = Session(scenario, settings, scenario.seed, torch.device("cpu"))  # for its network and data; its loop is not used
    model = session.learner.model
    optimizer = optimizers.build(settings, list(model.parameters()))
    batches = session.data.batches(int(settings["batch"]), scenario.seed)
    started = 0.0
    for step in range(steps):
        if step == steps // 5:
            started = time.perf_counter()
        x, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        objective.loss(session.data, model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % EVALUATE_EVERY == 0:
            objective.metrics(session.data, model)
    return (steps - steps // 5) / (time.perf_counter() - started)


def _plain(scenario: str, steps: int) -> float:
    command = [sys.executable, "-m", "benchmarks.lab_loop", "--plain", "--scenario", scenario, "--steps", str(steps)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment(Path(tempfile.gettempdir()))).stdout)


def _headless(scenario: str, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [*COMMAND, "run", scenario, "--headless", "--json", "--rate", "10", *_flags(run, steps)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=environment(run.parent))
        return _rate(run, steps)


def _screen(scenario: str, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        terminal = Terminal([*COMMAND, "run", scenario, "--pace", "0", *_flags(run, steps)], environment(run.parent), interpret=False)
        while not _ended(run):
            terminal.read()
            time.sleep(0.05)
        terminal.type("qs")  # s: if it has not seen the end yet, it asks
        terminal.wait()
        terminal.close()
        return _rate(run, steps)


def _flags(run: Path, steps: int) -> list[str]:
    return ["--steps", str(steps), "--device", "cpu", "--run-dir", str(run)]


def _ended(run: Path) -> bool:
    """A look at the file's end only: reading all of it would take from what is measured."""
    try:
        with (run / "events.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 200))
            return b'"type":"end"' in file.read()
    except OSError:
        return False


def _rate(run: Path, steps: int) -> float:
    events = read_all(run / "events.jsonl")
    assert isinstance(events[-1], End)
    assert events[-1].reason == "finished", events[-1]
    frames = [event for event in events if isinstance(event, Frame) and event.step >= steps // 5]
    return (frames[-1].step - frames[0].step) / (frames[-1].time - frames[0].time)


if __name__ == "__main__":
    main()
