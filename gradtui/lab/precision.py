"""Mixed precision: autocast, and the loss scaling that half precision needs (Micikevicius et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from gradtui.stream.events import Numbers, Value

DTYPES: Mapping[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(settings: Mapping[str, Value], device: torch.device) -> AbstractContextManager[object]:
    """The forward pass in the precision that `settings` name; weights and their gradients stay float32."""
    dtype = DTYPES.get(str(settings.get("precision", "fp32")))
    return torch.autocast(device.type, dtype) if dtype is not None else nullcontext()


def loss_scale(settings: Mapping[str, Value]) -> float:
    """What the loss is multiplied by before its backward pass."""
    return float(settings.get("loss_scale", 1.0))


def smallest_normal(settings: Mapping[str, Value]) -> float | None:
    """The size under which a gradient, loss scale taken out, was subnormal in its backward pass; None: there it was float32."""
    dtype = DTYPES.get(str(settings.get("precision", "fp32")))
    return None if dtype is None else torch.finfo(dtype).tiny / loss_scale(settings)


def unscale(parameters: Iterable[nn.Parameter], scale: float) -> None:
    """Divide the gradients by `scale`, so that all that comes after sees their true size."""
    if scale == 1:
        return
    gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        with torch.no_grad():
            torch._foreach_div_(gradients, scale)


def unscaled(numbers: Numbers, scale: float) -> Numbers:
    """What the probe saw during a scaled backward pass, in its true size."""
    return numbers if scale == 1 else [None if number is None else number / scale for number in numbers]
