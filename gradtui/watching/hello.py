"""A watched run's first event."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from gradtui import __version__
from gradtui.probe.kinds import class_name
from gradtui.stream.events import Hello, Layer, Toggle
from gradtui.stream.liveness import birth


def make_hello(
    name: str,
    models: Mapping[str, nn.Module],
    optimizers: Sequence[Optimizer],
    layers: list[Layer],
    attempt: int,
    forward: bool,
    toggles: list[Toggle],
) -> Hello:
    """`forward`: whether forward passes can be seen."""
    parameter = next((parameter for model in models.values() for parameter in model.parameters()), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    return Hello(
        run=name,
        scenario={
            "name": name,
            "watched": True,
            "networks": {group or "model": class_name(model) for group, model in models.items()},
            "optimizers": [type(optimizer).__name__ for optimizer in optimizers],
            "delta": forward,
        },
        seed=torch.initial_seed(),
        device=f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device),
        versions={"gradtui": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        pid=os.getpid(),
        born=birth(os.getpid()),
        host=socket.gethostname(),
        started=time.time(),
        layers=layers,
        toggles=toggles,
        attempt=attempt,
    )
