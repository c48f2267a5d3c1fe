"""What a `GradScaler` does to one optimizer's steps: it scales the gradients, and leaves out the steps in which one is not finite."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradtui.probe.extremes import Scaling

_SMALLEST_HALF = torch.finfo(torch.float16).tiny


class LossScale:
    """Of `optimizer`. A fused one unscales its gradients, and leaves a step out, by itself: then nobody but the device knows."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.scaler: torch.amp.GradScaler | None = None
        """None: none is in use."""
        self.skipped = 0
        """Steps that the scaler has left out."""
        self._optimizer = optimizer
        self._skipped_on_device: Tensor | None = None

    def told(self) -> Scaling | None:
        """What a scaler has told the optimizer to do by itself."""
        skipped = getattr(self._optimizer, "found_inf", None)
        return Scaling(getattr(self._optimizer, "grad_scale", None), skipped) if isinstance(skipped, Tensor) else None

    def limit(self) -> float | Tensor | None:
        """Under what the gradients as they stand were subnormal in float16, for which alone there are scalers; None: none is in use."""
        if (scale := getattr(self.scaler, "_scale", None)) is None:
            return None
        still_scaled = getattr(self._optimizer, "grad_scale", None) is not None
        return _SMALLEST_HALF if still_scaled else _SMALLEST_HALF / scale

    def count(self, scaling: Scaling) -> None:
        """The optimizer is about to make a step, or to leave it out."""
        skipped = (scaling.skipped > 0).float()
        self._skipped_on_device = skipped if self._skipped_on_device is None else self._skipped_on_device + skipped

    def values(self, scaling: Scaling | None) -> dict[str, Tensor]:
        """What a frame needs to know of it, by name."""
        found: dict[str, Tensor] = {}
        if (scale := getattr(self.scaler, "_scale", None)) is not None:
            found["loss_scale"] = scale
        if scaling is not None:
            found["left_out"] = scaling.skipped
            if scaling.scale is not None:
                found["grad_scale"] = scaling.scale
        if self._skipped_on_device is not None:
            found["skipped"] = self._skipped_on_device
        return found
