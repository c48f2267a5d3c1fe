"""What a training in the lab says of itself first, whoever trains it: the trainer, or the doctor in one of its trials."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping

import torch

from gradtui import __version__
from gradtui.lab import toggles
from gradtui.lab.devices import device_name
from gradtui.lab.sessions import Training
from gradtui.stream.events import Hello
from gradtui.stream.liveness import birth


def hello(
    session: Training,
    device: torch.device,
    *,
    run: str,
    scenario: Mapping[str, object],
    seed: int,
    started: float = 0.0,
    steps: int | None = None,
    attempt: int = 0,
) -> Hello:
    """Of the training as it stands; `scenario` is what is told of its scenario, `started` in seconds since the epoch."""
    return Hello(
        run=run,
        scenario=dict(scenario),
        seed=seed,
        device=device_name(device),
        versions={"gradtui": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        pid=os.getpid(),
        born=birth(os.getpid()),
        host=socket.gethostname(),
        started=started,
        layers=session.layers,
        toggles=toggles.offered(session.scenario, session.settings),
        steps=steps,
        attempt=attempt,
    )
