"""Recordings made of the real event types, as small as a test needs them."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from gradtui.stream.events import Event, Frame, Hello, Layer, Numbers, Toggle, encode
from gradtui.stream.run_directory import RunDirectory

TOGGLES = [
    Toggle(key="clip", label="clipping", kind="choice", value="off", choices=["off", "norm", "value"], hotkey="c"),
    Toggle(key="clip_threshold", label="clip at", kind="number", value=1.0, minimum=1e-12, maximum=1e12, hotkey="t"),
    Toggle(key="batch_norm", label="batch norm", kind="choice", value="off", choices=["off", "on", "no_affine"], hotkey="n"),
    Toggle(key="skip", label="skip", kind="choice", value="off", choices=["off", "scaled", "plain"], hotkey="s"),
    Toggle(key="activation", label="activation", kind="choice", value="sigmoid", choices=["sigmoid", "tanh", "relu"], hotkey="a"),
    Toggle(key="lr", label="lr", kind="number", value=0.02, minimum=0.0, hotkey="e"),
    Toggle(key="pace", label="pace", kind="number", value=60.0, minimum=0.0, hotkey="p"),
    Toggle(key="cell", label="cell", kind="choice", value="", choices=["rnn", "lstm"], hotkey="u", applies=False, reason="no recurrence"),
    Toggle(key="depth", label="depth", kind="number", value=8, minimum=1, maximum=1000, live=False),
]


def layers(count: int, name: str = "hidden.{}") -> list[Layer]:
    """`count - 1` hidden layers and a read-out."""
    hidden: list[Layer] = [Layer(name=name.format(i), kind="Linear", shape=[64, 64], parameters=4160) for i in range(count - 1)]
    return [*hidden, Layer(name="readout", kind="Linear", shape=[10, 64], parameters=650)]


def hello(rows: Sequence[Layer], *, toggles: Sequence[Toggle] = TOGGLES, host: str = "elsewhere", attempt: int = 0) -> Hello:
    """A run on a host that is not this one, so that nobody looks for its process."""
    return Hello(
        run="deep-sigmoid-1", scenario={"name": "deep-sigmoid"}, seed=0, device="cpu", versions={"torch": "2.13"},
        pid=os.getpid(), host=socket.gethostname() if host == "here" else host, started=0.0,
        layers=list(rows), toggles=list(toggles), steps=600, attempt=attempt,
    )  # fmt: skip


def frame(
    step: int, delta: Numbers, *, loss: float | None = 2.303, total_norm: float | None = 0.13, clipped_norm: float | None = None
) -> Frame:
    """A frame whose every per-layer number follows from `delta`."""
    norm = [None if d is None else 8 * d for d in delta]
    count = len(delta)
    return Frame(
        step=step, time=step / 60, loss=loss, metrics={"accuracy": 0.11}, lr=0.02, steps_per_second=412.0, total_norm=total_norm,
        clipped_norm=total_norm if clipped_norm is None else clipped_norm, delta_rms=delta, grad_norm=norm, grad_norm_min=norm,
        grad_norm_max=norm, grad_rms=delta, grad_max=norm, grad_zero=[0.0] * count, grad_nonfinite=[0.0] * count,
        penalty_norm=[None] * count, weight_norm=[8.0] * count, update_ratio=[1e-3] * count, activation_mean=[0.5] * count,
        activation_std=[0.21] * count, saturated=[0.02] * count, dead=[0.0] * count,
    )  # fmt: skip


def vanishing(count: int, decades: float = 4.45) -> Numbers:
    """Deltas that fall by `decades` from the last hidden layer down to the first, like the deep sigmoid's."""
    hidden: Numbers = [10 ** (-1.9 - decades * (count - 2 - i) / max(1, count - 2)) for i in range(count - 1)]
    return [*hidden, 2.4e-2]


def wobbling(count: int, step: int) -> Numbers:
    """Deltas that all change from frame to frame by a tenth of a decade or so, differently in every layer."""
    return [10 ** (-3 - 0.05 * i + 0.12 * math.sin(0.9 * step + 2.1 * i)) for i in range(count)]


def write(directory: Path, events: Sequence[Event]) -> RunDirectory:
    """A run directory that holds these events."""
    directory.mkdir(exist_ok=True)
    run = RunDirectory(directory)
    append(run, events)
    return run


def append(run: RunDirectory, events: Sequence[Event]) -> None:
    """As a trainer does while it trains."""
    with run.events.open("ab") as file:
        file.writelines(encode(event) for event in events)
