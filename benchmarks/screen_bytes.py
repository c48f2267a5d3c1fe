"""What the screen costs a terminal and a core: bytes and CPU per frame through a real pty.

A writer appends synthetic frames to a run directory at a fixed rate while the real app follows it in a process of its own
on a pty; what the app writes is counted, and its CPU time read from the system. Then nothing is written for a while, and
whatever the app still sends is the price of an idle screen.

    python benchmarks/screen_bytes.py [--layers 50] [--rate 10] [--seconds 10] [--size 120x40] [--noise 0.1]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import os
import pty
import random
import select
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from gradtui.stream.events import Applied, Event, Frame, Hello, Layer, Numbers, Toggle, encode
from gradtui.stream.run_directory import RunDirectory

VIEWER = """
import os, sys
from gradtui.ui import terminal
terminal.prepare(os.environ)
from pathlib import Path
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.app import GradApp, Watched
GradApp(Watched(RunDirectory(Path(sys.argv[1])))).run()
"""


def hello(count: int) -> Hello:
    toggles = [Toggle(key="clip", label="clipping", kind="choice", value="off", choices=["off", "norm"], hotkey="c")]
    layers = [Layer(name=f"hidden.{i}.linear", kind="Linear", shape=[64, 64], parameters=4160) for i in range(count)]
    return Hello(
        run="bench", scenario={"name": "bench"}, seed=0, device="cpu", versions={}, pid=os.getpid(), host="elsewhere", started=0.0,
        layers=layers, toggles=toggles,
    )  # fmt: skip


def frame(step: int, noise: float, means: list[float]) -> Frame:
    """Every layer's number differs from the last frame's, by `noise` decades (one standard deviation)."""
    means[:] = [mean + random.gauss(0, 0.01) for mean in means]
    delta: Numbers = [10 ** (mean + random.gauss(0, noise)) for mean in means]
    loss = 2.3 * math.exp(-step / 2000) * random.uniform(0.95, 1.05)
    norm = random.uniform(0.5, 2)
    return Frame(
        step=step, time=step / 60, loss=loss, metrics={"accuracy": random.random()}, lr=0.02, steps_per_second=random.uniform(380, 420),
        total_norm=norm, clipped_norm=min(1.0, norm), delta_rms=delta, grad_norm=delta, grad_norm_min=delta, grad_norm_max=delta,
        grad_rms=delta, grad_max=delta, weight_norm=delta, update_ratio=delta, activation_mean=delta, activation_std=delta,
    )  # fmt: skip


def append(run: RunDirectory, event: Event) -> None:
    with run.events.open("ab") as file:
        file.write(encode(event))


def start(run: RunDirectory, columns: int, lines: int) -> tuple[int, int]:
    pid, fd = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execv(sys.executable, [sys.executable, "-c", VIEWER, str(run.path)])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return pid, fd


def drain(fd: int, until: float) -> int:
    """Read what the app writes until then; returns how many bytes."""
    count = 0
    while (left := until - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            try:
                count += len(os.read(fd, 1 << 16))
            except OSError:  # Linux's word for the end of a pty
                return count
    return count


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--noise", type=float, default=0.1, help="decades by which every layer changes from frame to frame")
    options = parser.parse_args()
    columns, lines = (int(n) for n in options.size.split("x"))
    random.seed(0)
    with tempfile.TemporaryDirectory() as place:
        run = RunDirectory(Path(place))
        means = [-1.5 - 0.08 * (options.layers - i) * 50 / options.layers for i in range(options.layers)]
        append(run, hello(options.layers))
        append(run, frame(0, options.noise, means))
        append(run, Applied(id="a", step=1, toggle="clip", value="norm"))
        pid, fd = start(run, columns, lines)
        step = 10

        def feed(seconds: float) -> tuple[int, float, int]:
            nonlocal step
            begin, cpu, count, frames = time.monotonic(), cpu_seconds(pid), 0, int(seconds * options.rate)
            for n in range(frames):
                append(run, frame(step, options.noise, means))
                step += 6
                count += drain(fd, begin + (n + 1) / options.rate)
            return count, cpu_seconds(pid) - cpu, frames

        drain(fd, time.monotonic() + 2.5)
        feed(3)  # warm: imports of plotext, caches, axes that settle
        count, cpu, frames = feed(options.seconds)
        drain(fd, time.monotonic() + 1)
        before = cpu_seconds(pid)
        idle = drain(fd, time.monotonic() + 5)
        idle_cpu = cpu_seconds(pid) - before
        os.write(fd, b"q")
        drain(fd, time.monotonic() + 1)
        os.waitpid(pid, 0)
    result = {
        "size": options.size, "layers": options.layers, "rate": options.rate, "noise": options.noise,
        "bytes_per_frame": round(count / frames), "cpu_ms_per_frame": round(1000 * cpu / frames, 1),
        "cpu_percent": round(100 * cpu * options.rate / frames, 1), "idle_bytes": idle, "idle_cpu_percent": round(100 * idle_cpu / 5, 1),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
