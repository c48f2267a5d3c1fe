"""From a key to the repaint it causes, while a real trainer runs as fast as it can: the screen must stay a screen.

`gradtui run` in a pty of 120x40; a cursor key is written at a random moment, and the clock stops when the name it moves to
has been written back. Nothing else rewrites a layer's name.

    python benchmarks/key_latency.py [--scenario deep-sigmoid] [--keys 200]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import select
import statistics
import struct
import sys
import tempfile
import termios
import time

COLUMNS, LINES = 120, 40


def start(scenario: str, state: str) -> tuple[int, int]:
    pid, fd = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_STATE_HOME": state}
        os.execv(sys.executable, [sys.executable, "-m", "gradtui", "run", scenario, "--set", "pace=0"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    return pid, fd


def read_for(fd: int, seconds: float, wanted: bytes = b"") -> float | None:
    """Read for so long, or until `wanted` came: then how long that took."""
    begin = time.perf_counter()
    seen = b""
    while (left := begin + seconds - time.perf_counter()) > 0:
        if select.select([fd], [], [], left)[0]:
            try:
                seen = seen[-200:] + os.read(fd, 1 << 16)
            except OSError:
                return None
            if wanted and wanted in seen:
                return time.perf_counter() - begin
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="deep-sigmoid")
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as state:
        pid, fd = start(options.scenario, state)
        if read_for(fd, 60, b"hidden.1.linear") is None:
            sys.exit("no layers appeared within 60 s")
        read_for(fd, 5)
        times, lost = [], 0
        for n in range(options.keys):
            read_for(fd, random.uniform(0.1, 0.3))
            os.write(fd, b"jk"[n % 2 : n % 2 + 1])
            took = read_for(fd, 2, b"hidden.1.linear")
            if took is None:
                lost += 1
            else:
                times.append(1000 * took)
        os.write(fd, b"q")
        read_for(fd, 0.5)
        os.write(fd, b"s")
        read_for(fd, 5)
        os.waitpid(pid, 0)
    times.sort()
    print(json.dumps({
        "keys": len(times), "lost": lost, "p50_ms": round(statistics.median(times), 1),
        "p90_ms": round(times[int(0.9 * len(times))], 1), "p99_ms": round(times[int(0.99 * len(times))], 1), "max_ms": round(times[-1], 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
