"""What judging costs: microseconds a frame, at 50 and at 1,000 layers, beside reading the frame at all.

    python -m benchmarks.judging [--frames N] [--turns N]

Frames are synthetic and whole: every field measured, profiles that fall and rise, so that rules open and close their warnings. Reading is
decoding a line of the recording; judging is taking the event in and trying every rule on it. The turns alternate between the
sizes, and the fastest of them counts: whatever else the machine does can only make one slower.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Frame, Hello, Layer, Numbers, Toggle, decode, encode

SIZES = (50, 1000)
EVERY = 10
"""Steps from frame to frame."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    runs = {size: recording(size, options.frames) for size in SIZES}
    read: dict[int, list[float]] = {size: [] for size in SIZES}
    judged: dict[int, list[float]] = {size: [] for size in SIZES}
    edges = {}
    for _ in range(options.turns):
        for size, (hello, lines) in runs.items():
            started = time.perf_counter()
            events = [decode(line) for line in lines]
            read[size].append((time.perf_counter() - started) / len(lines) * 1e6)
            state = RunState()
            state.apply(hello)
            started = time.perf_counter()
            edges[size] = sum(len(state.apply(event)) for event in events)
            judged[size].append((time.perf_counter() - started) / len(lines) * 1e6)
    print(f"{options.frames} frames, fastest of {options.turns} turns\n")
    print("| layers | reading a frame, µs | judging it, µs | median of the turns | warnings' edges |\n|---|---|---|---|---|")
    for size in SIZES:
        middle = sorted(judged[size])[options.turns // 2]
        print(f"| {size:,} | {min(read[size]):.0f} | {min(judged[size]):.0f} | {middle:.0f} | {edges[size]} |")


def recording(layers: int, frames: int) -> tuple[Hello, Sequence[bytes]]:
    """A run whose profile swings by three decades either way every hundred frames."""
    rows = [Layer(name=f"hidden.{i}", kind="Linear", shape=[64, 64], parameters=4160) for i in range(layers)]
    toggles = [Toggle(key="activation", label="activation", kind="choice", value="relu", choices=["relu", "tanh"])]
    hello = Hello(
        run="r", scenario={"data": "digits"}, seed=0, device="cpu", versions={}, pid=1, host="h", started=0.0, layers=rows, toggles=toggles
    )
    rng = random.Random(0)
    return hello, [encode(_frame(index, layers, rng)) for index in range(frames)]


def _frame(index: int, layers: int, rng: random.Random) -> Frame:
    tilt = 3.0 * (-1) ** (index // 50)

    def noisy(base: float) -> Numbers:
        return [base * (1 + 0.1 * rng.random()) for _ in range(layers)]

    return Frame(
        step=index * EVERY,
        time=index / 10,
        loss=2.0 + 0.1 * rng.random(),
        lr=0.01,
        total_norm=1.0,
        clipped_norm=1.0,
        delta_rms=[1e-3 * 10 ** (tilt * (1 - row / layers)) for row in range(layers)],
        grad_norm=noisy(0.1),
        grad_norm_min=noisy(0.05),
        grad_norm_max=noisy(0.2),
        grad_rms=noisy(0.001),
        grad_max=noisy(0.01),
        grad_zero=noisy(0.1),
        grad_nonfinite=[0.0] * layers,
        weight_norm=noisy(8.0),
        update_ratio=noisy(1e-3),
        effective_units=noisy(10.0),
        activation_mean=noisy(0.4),
        activation_std=noisy(0.6),
        saturated=[None] * layers,
        dead=noisy(0.3),
    )


if __name__ == "__main__":
    main()
