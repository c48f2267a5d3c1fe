"""Where a training runs: the device that `--device` names, and that device in words."""

from __future__ import annotations

import torch

from gradtui.lab.errors import SettingError


def choose_device(wanted: str) -> torch.device:
    """The device that `--device` names. Raises SettingError when it asks for CUDA and there is none."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise SettingError("device is cuda, and torch finds no CUDA device here; it is auto or cpu")
    return torch.device("cuda", 0) if available and wanted != "cpu" else torch.device("cpu")


def device_name(device: torch.device) -> str:
    """As a run's `hello` has it: `cpu`, `cuda:0 (NVIDIA H100)`."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
