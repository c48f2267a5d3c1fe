"""What the probe may not cost: reading from the device, more than one copy a frame, a change of the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gradtui.probe.table import Sheet
from tests.probe.models import Block, SkipNet
from tests.probe.steps import (
    LR,
    probed,
    take_frame,
    take_step,
    weight,
)


class Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers that leave the device one at a time, and the whole tensors that leave it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scalars = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.scalars += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Counts what reads a tensor's values from Python."""

    READS = frozenset({"tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero", "equal", "allclose"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.READS:
            self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("build", [SkipNet, Block], ids=["convolutions", "transformer"])
def test_a_step_reads_nothing_from_the_device(build: Callable[[], nn.Module]) -> None:
    """On the meta device there is nothing to read: whatever waits for a number raises."""
    model = build().to("meta")
    x = torch.empty((5, 1, 6, 6) if build is SkipNet else (5, 6, 8), device="meta")
    probe = probed(model, lambda: model(x).mean())
    for _ in range(70):  # more than are put together at once
        take_step(probe, model, lambda: model(x).mean())
    probe.arm()
    model(x).mean().backward()
    probe.measure_gradients()
    probe.measure_penalty({parameter: torch.empty_like(parameter) for parameter in model.parameters()})
    probe.before_update()
    with pytest.raises(NotImplementedError, match="meta"):
        probe.collect()


def test_a_frame_is_one_copy_to_the_host() -> None:
    model, x = SkipNet(), torch.randn(5, 1, 6, 6)
    probe = probed(model, lambda: model(x).mean())
    with Copies() as copies, Reads() as reads:
        probe.arm()
        model(x).mean().backward()
        probe.measure_gradients()
        probe.measure_penalty({weight(model.conv1): torch.ones(4, 1, 3, 3)})
        probe.before_update()
        assert copies.names == []
        probe.collect()
    assert copies.names == ["tolist"]
    assert reads.scalars == 0


def test_a_steps_measurement_is_not_changed_by_the_probe() -> None:
    def train(watched: bool) -> list[Tensor]:
        torch.manual_seed(9)
        norm = nn.BatchNorm1d(8)
        model = nn.Sequential(nn.Linear(4, 8), norm, nn.RReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
        x = torch.randn(6, 4)
        probe = probed(model, lambda: model(x).square().mean()) if watched else None
        torch.manual_seed(10)
        norm.reset_running_stats()
        for _ in range(3):
            if probe is not None:
                take_frame(probe, model, lambda: model(x).square().mean(), LR)
            else:
                model.zero_grad()
                model(x).square().mean().backward()
                torch.optim.SGD(model.parameters(), LR).step()
        return [*model.parameters(), *model.buffers()]

    assert all(torch.equal(watched, alone) for watched, alone in zip(train(True), train(False), strict=True))


def test_what_a_network_on_host_and_device_has_measured_is_put_together_on_the_device() -> None:
    """Nothing is fetched from the meta device: what was fetched from a GPU without waiting was read before it had come."""
    sheet = Sheet()
    for device in ("cpu", "meta", "cpu"):
        sheet.put(torch.ones(2, device=device))
    assert sheet.send().ready
