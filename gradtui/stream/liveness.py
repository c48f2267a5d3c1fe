"""Whether a run's trainer still lives: a trainer that was killed cannot say so itself.

On its own host its first event tells; from any other there is only how long ago it wrote.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from gradtui.stream.events import Hello

SLACK = 2.0
"""Seconds: the clocks that date a process are this coarse."""


def elsewhere(hello: Hello) -> bool:
    """The trainer runs, or ran, on another host."""
    return hello.host != socket.gethostname()


def gone(hello: Hello) -> bool:
    """True when the trainer ran on this host and its process is no more. False also when that cannot be known from here."""
    if elsewhere(hello):
        return False
    try:
        os.kill(hello.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return _is_another(hello)


def silence(events: Path) -> float:
    """Seconds since the recording was written to, by this host's clock; 0 when that cannot be known."""
    try:
        return max(0.0, time.time() - events.stat().st_mtime)
    except OSError:
        return 0.0


def _is_another(hello: Hello) -> bool:
    """The number was given again to a younger process, or what is left is a zombie. Linux only; elsewhere False."""
    try:
        fields = Path(f"/proc/{hello.pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return False
    age = uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] in "ZX" or time.time() - age > hello.started + SLACK
