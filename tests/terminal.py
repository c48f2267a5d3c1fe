"""A terminal for tests: a real pseudo-terminal with a program in it, and a screen that shows what it drew."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

import pyte

from tests.processes import wait_for

RESTORED = b"\x1b[?1049l"
"""What leaves the alternate screen."""


class Terminal:
    """Runs `command` with the pseudo-terminal as its controlling terminal; without `interpret` it is read, and no text is known."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], columns: int = 120, rows: int = 40, *, interpret: bool = True
    ) -> None:
        self._interpret = interpret
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.written = bytearray()
        """Every byte that was read from it."""
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            # Not another terminal's size, which pytest's workers have in their environment: it would count for more than this one's.
            env={key: value for key, value in env.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def read(self) -> bool:
        """Take what was written by now; False when nobody holds the other end any more, or this one."""
        if self._master < 0:
            return False
        while select.select([self._master], [], [], 0)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # Linux: the last one has closed it
                return False
            if not data:
                return False
            self.written += data
            if not self._interpret:
                continue
            with contextlib.suppress(Exception):  # pyte knows less than a terminal does; what it cannot read is not shown
                self._stream.feed(data)
        return True

    @property
    def text(self) -> str:
        """The screen's text, as it is now."""
        self.read()
        return "\n".join(self._screen.display)

    def wait_for_text(self, text: str) -> None:
        wait_for(lambda: text in self.text, lambda: f"{text!r} on the screen:\n{self.text}\nexit code: {self.process.poll()}")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        """The program's exit code, once it has ended; what it writes meanwhile is read."""
        wait_for(lambda: (self.read(), self.process.poll() is not None)[1], "the program's end")
        self.read()
        return self.process.wait()

    def hang_up(self) -> None:
        """Close the terminal, as when a window is closed or a connection drops."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End the program, if it has not ended, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)
