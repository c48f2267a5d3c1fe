"""GPU memory and utilisation through NVIDIA's management library, where the training is on a GPU of this host."""

from __future__ import annotations

import re
import socket
from typing import Any

from gradtui.stream.events import Hello

GIB = 1 << 30


class Gpu:
    """One GPU's gauges; says nothing where there is none to read."""

    def __init__(self, hello: Hello) -> None:
        self._handle: Any = None
        self._library: Any = None
        if hello.device.startswith("cuda") and hello.host == socket.gethostname():
            self._open(hello.device)

    def _open(self, device: str) -> None:
        import pynvml

        digits = re.search(r"cuda:(\d+)", device)
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(int(digits[1]) if digits else 0)
        except (pynvml.NVMLError, OSError):
            return  # no driver to ask, as in a container with CUDA but without its management library
        self._library = pynvml

    def read(self) -> str:
        """`3.1/78 GiB 42%`; empty where there is nothing to read."""
        if self._library is None:
            return ""
        try:
            memory = self._library.nvmlDeviceGetMemoryInfo(self._handle)
            busy = self._library.nvmlDeviceGetUtilizationRates(self._handle).gpu
        except self._library.NVMLError:
            return ""
        return f"{memory.used / GIB:.1f}/{memory.total / GIB:.0f} GiB {busy}%"
