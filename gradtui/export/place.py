"""The directory that an export is written to: a new one, an empty one, or one that holds nothing but exports.

An export is replaced whole. Were the files of a longer run's left beside a shorter one's, a reader would take its attempts and
its profiles for this run's; and what is not ours is neither deleted nor mixed with, so a directory that holds any is refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gradtui.stream.run_directory import RunError

FILES = {
    "csv": re.compile(r"(layers|frames|changes)\.csv"),
    "parquet": re.compile(r"(layers|frames|changes)\.parquet"),
    "tensorboard": re.compile(r"attempt-\d+/events\.out\.tfevents\.gradtui"),
    "svg": re.compile(r"(profile(-\d+)?|loss|total_norm)\.svg"),
}
"""The names of each format's files, below the directory."""
ATTEMPT = re.compile(r"attempt-\d+")


def check(where: Path) -> None:
    """Raises RunError if `where` holds anything but exports, hidden files aside, and OSError if it is no directory."""
    if not where.exists():
        return
    strange = min((name for name, path in _entries(where) if path.is_dir() or not any(_is(name, to) for to in FILES)), default="")
    if strange:
        raise RunError(f"{where}: holds {strange}, which is not an export's; name a new directory, or one that holds exports only")


def clear(where: Path, to: str, written: Iterable[Path]) -> None:
    """Delete what an earlier export of the same format left and this one has not written. Raises OSError."""
    kept = set(written)
    for name, path in list(_entries(where)):
        if path not in kept and _is(name, to):
            path.unlink()
            if path.parent != where:
                with contextlib.suppress(OSError):
                    path.parent.rmdir()


def _is(name: str, to: str) -> bool:
    """Whether a file of this name is one of the format's."""
    return FILES[to].fullmatch(name) is not None


def _entries(where: Path) -> Iterator[tuple[str, Path]]:
    """What is in `where` and in its attempts' directories, by its name below it."""
    for path in where.iterdir():
        if path.name.startswith("."):
            continue
        if ATTEMPT.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield from ((f"{path.name}/{inner.name}", inner) for inner in path.iterdir() if not inner.name.startswith("."))
        else:
            yield path.name, path
