"""Whether a run's trainer still lives, told from its first event: a trainer that was killed cannot say so itself."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from gradtui.stream.events import Hello

SLACK = 2.0
"""Seconds: the clocks that date a process are this coarse."""


def gone(hello: Hello) -> bool:
    """True when the trainer ran on this host and its process is no more. False also when that cannot be known from here."""
    if hello.host != socket.gethostname():
        return False
    try:
        os.kill(hello.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return _is_another(hello)


def _is_another(hello: Hello) -> bool:
    """The number was given again to a younger process, or what is left is a zombie. Linux only; elsewhere False."""
    try:
        fields = Path(f"/proc/{hello.pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return False
    age = uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] in "ZX" or time.time() - age > hello.started + SLACK
