"""Thinning: how a recording stays under its cap for ever.

Old frames are merged two into one; every other event stays, and so do the frames beside them (the last before and the
first after a toggle) and the interval extremes, because a one-step spike is what people look for. Only when frames alone
do not make the room are the oldest log lines dropped: `trainer.log` still has them.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import msgspec

from gradtui.stream.events import Frame, Numbers, decode, encode

OLD = 0.75
"""The share of the frames, oldest first, that a pass may merge: the newest stay at full resolution."""

_FRAME = b'{"type":"frame"'
_LOG = b'{"type":"log"'


def thin(path: Path, target: int) -> None:
    """Rewrite the recording at `path` to at most `target` bytes where that can be done, atomically. Raises OSError."""
    lines = [line for line in path.read_bytes().split(b"\n") if line]
    while _size(lines) > target:
        fewer = merge_old_frames(lines)
        if len(fewer) == len(lines):
            fewer = _drop_old_logs(lines, target)
        if len(fewer) == len(lines):
            break
        lines = fewer
    copy = path.with_name(path.name + ".thinned")
    try:
        fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        copy.replace(path)
    except OSError:
        copy.unlink(missing_ok=True)
        raise


def merge_old_frames(lines: list[bytes]) -> list[bytes]:
    """One pass: in each run of frames, pairs of old ones become one; the first and the last of a run are left alone."""
    frames = sum(line.startswith(_FRAME) for line in lines)
    old = int(frames * OLD)
    kept: list[bytes] = []
    seen = 0
    held: bytes | None = None  # the first of a pair, waiting for its second
    for index, line in enumerate(lines):
        if not line.startswith(_FRAME):
            kept += [held] if held else []
            held = None
            kept.append(line)
            continue
        seen += 1
        inside = 0 < index < len(lines) - 1 and all(lines[i].startswith(_FRAME) for i in (index - 1, index + 1))
        if seen > old or not inside:
            kept += [held] if held else []
            held = None
            kept.append(line)
        elif held is None:
            held = line
        else:
            kept.append(_merge(held, line))
            held = None
    return kept + ([held] if held else [])


def _merge(first: bytes, second: bytes) -> bytes:
    """The second frame, with the interval extremes of both."""
    try:
        a, b = decode(first), decode(second)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return second
    assert isinstance(a, Frame)
    assert isinstance(b, Frame)
    merged = msgspec.structs.replace(
        b,
        grad_norm_min=_extreme(a.grad_norm_min, b.grad_norm_min, smallest=True),
        grad_norm_max=_extreme(a.grad_norm_max, b.grad_norm_max, smallest=False),
    )
    return encode(merged).rstrip(b"\n")


def _extreme(a: Numbers, b: Numbers, *, smallest: bool) -> Numbers:
    """Element by element; NaN wins, as the worst that was seen, and None only where both are None."""
    if len(a) != len(b):
        return b or a
    return [_pick(x, y, smallest) for x, y in zip(a, b, strict=True)]


def _pick(x: float | None, y: float | None, smallest: bool) -> float | None:
    if x is None or y is None:
        return y if x is None else x
    if math.isnan(x) or math.isnan(y):
        return math.nan
    return min(x, y) if smallest else max(x, y)


def _drop_old_logs(lines: list[bytes], target: int) -> list[bytes]:
    excess = _size(lines) - target
    kept = []
    for line in lines:
        if excess > 0 and line.startswith(_LOG):
            excess -= len(line) + 1
        else:
            kept.append(line)
    return kept


def _size(lines: list[bytes]) -> int:
    return sum(len(line) + 1 for line in lines)
