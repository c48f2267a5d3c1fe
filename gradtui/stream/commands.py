"""Commands: what viewers append to `commands.jsonl`, and how the trainer reads them between two steps.

A command is `{"id": …, "set": {"batch_norm": true}}` or `{"id": …, "do": "pause"}`. Both sides check it. Each viewer
writes one line with one O_APPEND write, so any number of viewers can command one trainer.
"""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import msgspec
from msgspec import Struct

from gradtui.stream.events import Value

VERBS = ("pause", "resume", "step", "restart", "stop", "detach")
"""`step` takes one step and pauses; `restart` begins again from the same seed with the toggles as they are; `detach`: go
on when the viewer that started the trainer leaves."""


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of commands.jsonl: toggles to set, or a verb to do."""

    id: str
    set: dict[str, Value] = {}
    do: str = ""


_decoder = msgspec.json.Decoder(Command)


class CommandError(ValueError):
    """A line that is not a command; `id` is the one it carried, if that much could be read."""

    def __init__(self, message: str, id: str = "") -> None:
        super().__init__(message)
        self.id = id


def parse(line: bytes) -> Command:
    """The command on one line. Raises CommandError with what was found and what would be right."""
    try:
        command = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"not a command: {error}", _id_of(line)) from None
    if command.do and command.do not in VERBS:
        raise CommandError(f"do is {command.do!r}; it is one of {', '.join(VERBS)}", command.id)
    if bool(command.do) == bool(command.set):
        raise CommandError('a command has either "set" or "do"', command.id)
    return command


def _id_of(line: bytes) -> str:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return str(found.get("id", "")) if isinstance(found, dict) else ""


def send(path: Path, *, set: dict[str, Value] | None = None, do: str = "") -> str:
    """Append one command to `path` and return its id. Raises OSError when it cannot be written."""
    command = Command(id=uuid.uuid4().hex[:12], set=set or {}, do=do)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        line = msgspec.json.encode(command) + b"\n"
        if os.write(fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(fd)
    return command.id


class CommandReader:
    """The trainer's end: the commands appended since it last looked.

    It starts at `start`, or at the file's present end: what an earlier trainer in this run directory was told is not told again.
    """

    def __init__(self, path: Path, start: int | None = None) -> None:
        self._path = path
        self._offset = size(path) if start is None else start

    def poll(self) -> list[Command | CommandError]:
        """New whole lines, in order; a half-written last line waits for its end. One stat() when nothing is new."""
        end = size(self._path)
        if end < self._offset:  # truncated by someone: begin again rather than read from the middle of a line
            self._offset = 0
        if end == self._offset:
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [_parse_or_error(line) for line in whole.split(b"\n") if line.strip()]


def _parse_or_error(line: bytes) -> Command | CommandError:
    try:
        return parse(line)
    except CommandError as error:
        return error


def size(path: Path) -> int:
    """Bytes of commands so far."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
