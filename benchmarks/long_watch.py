"""A training that is watched for long: does anything grow, does anything stay behind, does the loop keep its speed?

    python -m benchmarks.long_watch [--minutes N] [--viewers N] [--seed S]

A loop in a process of its own trains one network by turns of 50 steps, watched and bare, and rests twice as long between two turns as
it works. A watched turn is compared with the bare one before it.
Meanwhile viewers attach to it on a terminal, one after the other, and are killed by SIGKILL, SIGTERM or SIGHUP. The recording's cap is
so low that it is thinned many times over. Exit code 1 when a process was left, the recording could not be read or went over its cap.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from benchmarks.kills import SIGNALS, is_unreadable, left_behind, see_out
from gradtui.stream.events import Frame
from gradtui.stream.follower import read_all
from tests.command import COMMAND, environment
from tests.terminal import Terminal

CAP_A_MINUTE = 100_000
"""Bytes: about a sixth of what is recorded in that time."""
TURN = 50
"""Steps."""
PATIENCE = 60.0


def train(path: str, minutes: float) -> None:
    """The loop; prints what it did as JSON."""
    import torch
    from torch import nn

    import gradtui
    from benchmarks.by_turns import bare

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [module for _ in range(20) for module in (nn.Linear(64, 64), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(64, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    run = gradtui.watch(model, optimizer, run_dir=path)
    recorded = run._recorder._writer
    assert recorded is not None
    recorded._cap = recorded._thin_at = int(CAP_A_MINUTE * minutes)

    def turn(steps: int, log: bool) -> None:
        for _ in range(steps):
            x = torch.randn(64, 64)
            optimizer.zero_grad()
            loss = (model(x) - x[:, :1]).square().mean()
            loss.backward()
            optimizer.step()
            if log:
                run.log(loss=loss)

    turn(1, log=True)  # it finds the layers
    results: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "cpu": []} for name in ("bare", "watched")}
    over = time.monotonic() + 60 * minutes
    while time.monotonic() < over:
        for name, found in results.items():
            with bare(optimizer) if name == "bare" else nullcontext():
                began, cpu = time.monotonic(), time.process_time()
                turn(TURN, log=name == "watched")
                took = time.monotonic() - began
                found["seconds"].append(took)
                found["cpu"].append(time.process_time() - cpu)
            time.sleep(2 * took)
    run.close()
    print(json.dumps(results))


def resident(pid: int) -> float:
    """MiB that the process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def look_and_kill(run: Path, pid: int, seconds: float, number: signal.Signals) -> bool:
    """A viewer for so many seconds; whether it drew anything before it was killed. Fails when it does not go."""
    terminal = Terminal([*COMMAND, "attach", str(run)], environment(run.parent), interpret=False)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        terminal.read()
        time.sleep(0.05)
    drew = len(terminal.written) > 1000
    terminal.process.send_signal(number)
    see_out(terminal)
    if terminal.process.poll() is not None:
        terminal.close()
    return drew


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", metavar="RUN_DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.minutes)
        return 0
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "benchmarks.long_watch", "--minutes", str(options.minutes), "--train", str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as loop:
            return follow(loop, run, options.minutes, options.viewers, dice)


def follow(loop: subprocess.Popen[str], run: Path, minutes: float, viewers: int, dice: random.Random) -> int:
    """Attach and kill viewers while the loop trains, then print the table."""
    while not (run / "events.jsonl").exists():
        time.sleep(0.1)
    began = time.monotonic()
    memory, sizes, drew, unreadable = [resident(loop.pid)], [0], 0, 0
    pause = 60 * minutes / (viewers + 1)
    for turn in range(viewers):
        while loop.poll() is None and time.monotonic() < began + pause * (turn + 0.5):
            time.sleep(0.2)
        if loop.poll() is not None:
            break
        drew += look_and_kill(run, loop.pid, dice.uniform(1, min(8.0, pause)), SIGNALS[turn % len(SIGNALS)])
        unreadable += is_unreadable(run)
        memory.append(resident(loop.pid))
        sizes.append((run / "events.jsonl").stat().st_size)
    assert loop.stdout is not None
    told = json.loads(loop.stdout.read())
    unreadable += is_unreadable(run)
    loop.wait()
    left = left_behind(run)
    return show(told, memory, sizes, int(CAP_A_MINUTE * minutes), run, drew, unreadable, left)


def ratio(told: dict[str, dict[str, list[float]]], what: str) -> str:
    """Of every turn to the one before it: the median, the quartiles, and that of the sums."""
    watched, bare = told["watched"][what], told["bare"][what]
    ratios = [a / b for a, b in zip(watched, bare, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    error = statistics.stdev(ratios) / len(ratios) ** 0.5
    return f"median {middle:.3f} ({low:.3f} – {high:.3f}; the mean's error {error:.3f}), in all {sum(watched) / sum(bare):.3f}"


def show(
    told: dict[str, dict[str, list[float]]],
    memory: list[float],
    sizes: list[int],
    cap: int,
    run: Path,
    drew: int,
    unreadable: int,
    left: int,
) -> int:
    frames = [event for event in read_all(run / "events.jsonl") if isinstance(event, Frame)]
    shares = [frame.metrics["watch_share"] for frame in frames[len(frames) // 5 :]]
    warm = len(memory) // 5
    lines = {
        "steps watched, and as many bare": str(TURN * len(told["bare"]["cpu"])),
        "seconds a turn, watched / bare": ratio(told, "seconds"),
        "CPU seconds a turn, watched / bare": ratio(told, "cpu"),
        "share of the steps' time that the watch measured": f"median {statistics.median(shares):.4f}, largest {max(shares):.4f}",
        "memory of the loop, MiB: at first, warmed up, end": f"{memory[0]:.0f}, {memory[warm]:.0f}, {memory[-1]:.0f}",
        "largest after it had warmed up": f"{max(memory[warm:]):.0f}",
        "recording, bytes: largest seen / cap": f"{max(sizes)} / {cap}",
        "frames kept, newest step": f"{len(frames)}, {frames[-1].step}",
        "viewers that drew, of those attached and killed": f"{drew} of {len(memory) - 1}",
        "processes left": str(left),
        "unreadable recordings": str(unreadable),
    }
    for what, value in lines.items():
        print(f"{what:<52} {value}")
    return int(bool(left or unreadable or max(sizes) > cap * 1.05))


if __name__ == "__main__":
    raise SystemExit(main())
