"""What a watched loop has recorded, beside what its gradients are by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from torch import Tensor, nn

from gradtui.stream.events import End, Event, Frame, Hello, Log, Numbers
from gradtui.stream.follower import read_all


class Recording:
    """The events under a run directory."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = read_all(path / "events.jsonl")
        self.hellos = [event for event in self.events if isinstance(event, Hello)]
        self.frames = [event for event in self.events if isinstance(event, Frame)]
        self.names = [layer.name for layer in self.hellos[-1].layers] if self.hellos else []

    @property
    def end(self) -> End:
        """After it only logs may come."""
        event = [event for event in self.events if not isinstance(event, Log)][-1]
        assert isinstance(event, End)
        return event

    def at(self, step: int, field: str, layer: str, group: str = "") -> float | None:
        """One number of one layer."""
        frame = next(frame for frame in self.frames if frame.step == step)
        numbers: Numbers = getattr(frame, field)
        place = [(found.group, found.name) for found in self.hellos[-1].layers].index((group, layer))
        return numbers[place]


def norm(*tensors: Tensor | None) -> float:
    """The 2-norm of all entries together, in float64."""
    return math.sqrt(sum(float(tensor.detach().to_dense().abs().double().square().sum()) for tensor in tensors if tensor is not None))


def gradient_norms(model: nn.Module, layers: Iterable[str]) -> dict[str, float]:
    """Each layer's gradient norm as it stands, its own parameters only."""
    return {name: norm(*(parameter.grad for parameter in model.get_submodule(name).parameters(recurse=False))) for name in layers}


def close_to(value: float) -> object:
    return pytest.approx(value, rel=2e-6)
