"""Every scenario × every fix × three seeds: what it does to the profile, the score and the warnings, beside what is expected.

    python -m benchmarks.effects [--only SCENARIO]… [--seeds 0 1 2] [--jobs N] [--output benchmarks/effects.md]

Each training runs the product's own loop, writes a recording as any run does, and is judged by what a reader of that
recording sees; frames come every 10 steps, as without a screen. Finished trainings are kept in `effects.jsonl` and taken
from there as long as neither the scenario nor the code that trains, measures and judges has changed. Exits 1 if a score
is not as expected and the expectation has no note that says why.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
from msgspec import Struct

import gradtui
from benchmarks import effects_table
from benchmarks.cells import Cell, read
from gradtui.diagnose import profile
from gradtui.diagnose.state import RunState
from gradtui.lab import toggles
from gradtui.lab.errors import NoSuchScenarioError, SettingError
from gradtui.lab.scenario import load
from gradtui.lab.spec import Spec
from gradtui.stream.events import Frame
from gradtui.stream.follower import read_all

HERE = Path(__file__).parent
CACHE = HERE / "effects.jsonl"
TABLE = HERE / "effects.md"
MOMENTS = (0, 50, 300)
"""The steps at which the expected profiles were read."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What one training came to."""

    score: float
    """0 if it stopped being a number."""
    span: list[float | None]
    """Decades of delta at MOMENTS and at the last frame."""
    warnings: list[str]
    """Codes, in the order in which they first opened."""


class Kept(Struct, frozen=True):
    """A line of the cache."""

    key: str
    outcome: Outcome


def spec_of(cell: Cell, seed: int) -> Spec:
    """The training that the cell asks for. Raises NoSuchScenarioError, and SettingError for a toggle that does not apply."""
    scenario = load(cell.scenario)
    settings = toggles.initial(scenario, dict(toggles.parse_setting(scenario, text) for text in cell.settings))
    return Spec(
        name=scenario.name,
        scenario=scenario,
        settings=settings,
        seed=seed,
        device="cpu",
        steps=scenario.steps,
        every=scenario.every,
        lifeline=False,
    )


def measure(cell: Cell, seed: int) -> Outcome:
    """Train the cell in this process, and read its recording."""
    from gradtui.lab.loop import Loop
    from gradtui.stream.commands import CommandReader
    from gradtui.stream.run_directory import RunDirectory
    from gradtui.stream.writer import EventWriter

    with tempfile.TemporaryDirectory() as path:
        run = RunDirectory(Path(path))
        writer = EventWriter(run.events)
        loop = Loop(spec_of(cell, seed), writer, CommandReader(run.commands), threading.Event(), lambda: None)
        writer.append(loop.run())
        writer.close()
        return judge(cell, run.events)


def judge(cell: Cell, events: Path) -> Outcome:
    """The outcome that a recording holds."""
    state = RunState()
    frames: dict[int, Frame] = {}
    codes: dict[str, None] = {}
    for event in read_all(events):
        codes |= {edge.code: None for edge in state.apply(event) if edge.state == "opened"}
        if isinstance(event, Frame):
            frames[event.step] = event
    assert state.hello is not None
    assert state.frame is not None
    where = profile.rows(state.hello.layers)[0]
    spans = [profile.read(where, frame.delta_rms).span for frame in (*map(frames.get, MOMENTS), state.frame) if frame]
    died = state.frame.loss is None or not math.isfinite(state.frame.loss)
    return Outcome(score=0.0 if died else cell.score_of(state.frame.metrics), span=[_finite(span) for span in spans], warnings=list(codes))


def _finite(span: float | None) -> float | None:
    return span if span is not None and math.isfinite(span) else None


# -- many of them ------------------------------------------------------------------------------------------------------


def measure_all(cells: Iterable[Cell], seeds: Iterable[int], jobs: int, cache: Path) -> Iterator[tuple[Cell, int, Outcome | str]]:
    """Every outcome as it comes in, from the cache or from a worker; a text where there is none, and says why."""
    kept = {line.key: line.outcome for line in _lines(cache)}
    todo: list[tuple[Cell, int, str]] = []
    for seed in seeds:  # the first seed of everything first: a first table is soon there
        for cell in cells:
            try:
                key = _key(spec_of(cell, seed))
            except (NoSuchScenarioError, SettingError) as error:
                yield cell, seed, str(error)
                continue
            if key in kept:
                yield cell, seed, kept[key]
            else:
                todo.append((cell, seed, key))
    yield from _work(todo, jobs, cache)


def _work(todo: list[tuple[Cell, int, str]], jobs: int, cache: Path) -> Iterator[tuple[Cell, int, Outcome | str]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool, cache.open("ab") as file:
        running = {pool.submit(measure, cell, seed): (cell, seed, key) for cell, seed, key in todo}
        for done in as_completed(running):
            cell, seed, key = running[done]
            if error := done.exception():
                yield cell, seed, f"{type(error).__name__}: {error}"
                continue
            file.write(msgspec.json.encode(Kept(key, done.result())) + b"\n")
            file.flush()
            yield cell, seed, done.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _lines(cache: Path) -> Iterator[Kept]:
    for line in cache.read_bytes().splitlines() if cache.exists() else ():
        try:
            yield msgspec.json.decode(line, type=Kept)
        except msgspec.DecodeError:  # the half line of a run that was killed
            continue


def _key(spec: Spec) -> str:
    """What an outcome depends on: the training itself, and the code that trains, measures and judges it."""
    import importlib.metadata

    parts = (msgspec.json.encode(spec), _code(), importlib.metadata.version("torch").encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


@functools.cache
def _code() -> bytes:
    package = Path(gradtui.__file__).parent
    sources = [path for room in ("lab", "probe", "diagnose") for path in sorted((package / room).rglob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).digest()


def _commit() -> str:
    """The commit that is checked out, and whether files differ from it; empty outside a repository."""
    git = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=7"], cwd=HERE, capture_output=True, text=True, check=False)
    return git.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="this scenario (may be repeated); default: all")
    parser.add_argument("--fix", action="append", metavar="FIX", help="this fix (may be repeated); default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--output", type=Path, default=TABLE)
    arguments = parser.parse_args()
    commit = _commit()  # now: while it trains, another may be checked out
    cells = [c for c in read() if c.scenario in (arguments.only or [c.scenario]) and c.fix in (arguments.fix or [c.fix])]
    found: dict[Cell, dict[int, Outcome | str]] = {cell: {} for cell in cells}
    for count, (cell, seed, outcome) in enumerate(measure_all(cells, arguments.seeds, arguments.jobs, arguments.cache), start=1):
        found[cell][seed] = outcome
        said = outcome if isinstance(outcome, str) else f"score {outcome.score:.2f}"
        print(f"{count}/{len(cells) * len(arguments.seeds)}  {cell.scenario} {cell.fix} seed {seed}: {said}", file=sys.stderr, flush=True)
    report = effects_table.report(found, arguments.seeds, commit)
    arguments.output.write_text(report.markdown, encoding="utf-8")
    print("\n".join(report.complaints) or "every score is as expected")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
