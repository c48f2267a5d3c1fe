"""Whether a run's trainer still lives: a trainer that was killed cannot say so itself.

On its own host its first event tells; from any other there is only how long ago it wrote.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from gradtui.stream.events import Hello


def birth(pid: int) -> int | None:
    """When the process began, in the kernel's ticks since the host was started: with its number this is the process, and no
    clock that is set meanwhile changes it. None where that is not told (only Linux does), and of a process that is no more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])  # zombies: nobody has waited for them yet
    except (OSError, ValueError, IndexError):
        return None


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
    return hello.born is not None and birth(hello.pid) != hello.born


def silence(events: Path) -> float:
    """Seconds since the recording was written to, by this host's clock; 0 when that cannot be known."""
    try:
        return max(0.0, time.time() - events.stat().st_mtime)
    except OSError:
        return 0.0
