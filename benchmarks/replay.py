"""Replaying a recording as large as recordings get: until the screen shows it, and from a seek to the frame it asked for.

    python -m benchmarks.replay [--megabytes 256] [--layers 50] [--seeks 50] [--opens 5]

The recording is synthetic: 300 distinct frames with every field measured, written again and again under new steps, with a toggle
every 1000 frames. `gradtui replay` runs on a pseudo-terminal of 120×40. It is opened (until a frame's bars are drawn), sought at
random steps at once, while it is still judging, and again when it has judged everything. A seek counts from its enter key to the
bytes that draw the frame's number; that frame's bars are drawn with it.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.judging import EVERY, recording
from gradtui.stream.events import Applied, End, encode
from tests.command import COMMAND, environment
from tests.terminal import Terminal

STAMP = re.compile(rb'"step":\d+,"time":[\d.]+')
TOGGLES = 1000
"""Frames from one toggle to the next."""
FRAME = rb"frame ([\d,]+)/"
QUIET = 1.5
"""Seconds without a byte after which all is judged: until then a percentage changes."""
PATIENCE = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--seeks", type=int, default=50)
    parser.add_argument("--opens", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir()
        frames = generate(run / "events.jsonl", options.megabytes << 20, options.layers)
        size = (run / "events.jsonl").stat().st_size >> 20
        print(f"{size} MB, {frames:,} frames of {options.layers} layers\n\n| | median | lowest to highest |\n|---|---|---|")
        random.seed(0)
        opened = []
        for _ in range(options.opens):
            terminal, seconds = opening(run, Path(folder))
            opened.append(seconds)
            terminal.close()
        report("from the start of the process to the first frame", opened)
        terminal, _ = opening(run, Path(folder))
        until_quiet(terminal, 0.5)
        terminal.type(".")  # a single frame: it does not play any more
        report("seek, at once after opening", [seek(terminal, frames) for _ in range(options.seeks)])
        print(f"| all is judged after that, s | {until_quiet(terminal):.1f} | |")
        report("seek, all judged", [seek(terminal, frames) for _ in range(options.seeks)])
        terminal.close()


def opening(run: Path, state: Path) -> tuple[Terminal, float]:
    """The terminal, and seconds until a frame is drawn."""
    started = time.perf_counter()
    terminal = Terminal([*COMMAND, "replay", str(run)], environment(state), interpret=False)
    wait_for(terminal, FRAME)
    return terminal, time.perf_counter() - started


def seek(terminal: Terminal, frames: int) -> float:
    """Seconds from the enter key to the frame."""
    frame = random.randrange(frames)
    for keys, drawn in (("g", "Go to step"), (str(frame * EVERY), str(frame * EVERY))):
        terminal.written.clear()
        terminal.type(keys)
        wait_for(terminal, drawn.encode())
    terminal.written.clear()
    started = time.perf_counter()
    terminal.type("\r")
    wait_for(terminal, f"frame {frame + 1:,}/".encode())
    return time.perf_counter() - started


def wait_for(terminal: Terminal, wanted: bytes) -> None:
    deadline = time.perf_counter() + PATIENCE
    while not re.search(wanted, terminal.written):
        terminal.read()
        time.sleep(0.001)
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{wanted!r} was not drawn")


def until_quiet(terminal: Terminal, quiet: float = QUIET) -> float:
    """Wait until nothing is written for so long, and not for ever; seconds until the last byte."""
    started = last = time.perf_counter()
    seen = -1
    while time.perf_counter() - last < quiet and time.perf_counter() - started < min(PATIENCE, 80 * quiet):
        terminal.read()
        if len(terminal.written) != seen:
            seen, last = len(terminal.written), time.perf_counter()
        time.sleep(0.005)
    return last - started


def report(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    median, worst = statistics.median(ordered), ordered[-1]
    print(f"| {name}, s | {median:.3f} | {ordered[0]:.3f} to {worst:.3f} |", flush=True)


def generate(path: Path, size: int, layers: int) -> int:
    """Write a recording of `size` bytes; returns how many frames it has."""
    hello, lines = recording(layers, 300)
    frames = written = 0
    with path.open("wb") as file:
        file.write(encode(hello))
        while written < size:
            stamp = b'"step":%d,"time":%.1f' % (frames * EVERY, frames / 10)
            written += file.write(STAMP.sub(stamp, lines[frames % len(lines)], count=1))
            frames += 1
            if frames % TOGGLES == 0:
                now = "tanh" if frames // TOGGLES % 2 else "relu"
                file.write(encode(Applied(id="x", step=frames * EVERY, toggle="activation", value=now)))
        file.write(encode(End(reason="finished", step=frames * EVERY)))
    return frames


if __name__ == "__main__":
    main()
