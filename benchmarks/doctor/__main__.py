"""The doctor against the truth: over sick scenarios and random sick networks, does its first choice cure where any fix does?

    python -m benchmarks.doctor [--only NAME]… [--random 100] [--first 1000] [--minutes M] [--jobs 1] [--table]

Random networks are drawn as the bank's are, from seeds that no bank holds; those that fail when nothing is done are asked about.
Each fix is tried as `gradtui doctor` tries it, on one seed, and then trained on for as many steps as the training has: its score
there is what the ranking is held against. Beside it: a fix drawn at random (its expectation over all fixes) and AUTOTRAINER's
order. Finished cases are kept in doctor.jsonl and taken from there, with the trials, so that another ranking of them costs
nothing (--table). Prevention is asked of everything before rescue is, since a case takes a minute.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import msgspec

from benchmarks.doctor.cases import RANDOM, Case, measure
from benchmarks.doctor.table import markdown
from gradtui.lab import doctor
from gradtui.lab.scenario import catalog
from gradtui.stream.events import encode

HERE = Path(__file__).parent.parent
KEPT = HERE / "doctor.jsonl"
TABLE = HERE / "doctor.md"

Key = tuple[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="this scenario or random-SEED (may be repeated)")
    parser.add_argument("--random", type=int, default=100, help="how many random sick networks")
    parser.add_argument("--first", type=int, default=1000, help="the first random network's seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no case after so many")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="measure nothing, only rank and count anew what is kept")
    parser.add_argument("--kept", type=Path, default=KEPT)
    parser.add_argument("--output", type=Path, default=TABLE)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cases = {(case.name, case.question): case for case in kept(arguments.kept)}
    if not arguments.table:
        _measure(arguments, cases)
    table = markdown(list(cases.values()))
    arguments.output.write_text(table, encoding="utf-8")
    print(table)
    return 0


def _measure(arguments: argparse.Namespace, cases: dict[Key, Case]) -> None:
    """Every case that is missing, into `cases` and the file, `jobs` of them at a time."""
    ends = time.monotonic() + 60 * arguments.minutes
    asked = _only(arguments.only) if arguments.only else _all(arguments.random, arguments.first, cases)
    missing = (key for key in asked if key not in cases)
    waiting: set[Future[Case]] = set()
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool, arguments.kept.open("ab") as file:
        while True:
            while len(waiting) < arguments.jobs and time.monotonic() < ends and (key := next(missing, None)):
                waiting.add(pool.submit(measure, *key))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for case in (future.result() for future in done):
                cases[case.name, case.question] = case
                file.write(encode(case))
                file.flush()
                print(case.name, case.question, len(case.trials), f"{case.seconds:.1f} s", file=sys.stderr)


def _only(names: list[str]) -> Iterator[Key]:
    return itertools.product(names, (doctor.PREVENT, doctor.RESCUE))


def _all(random: int, first: int, cases: dict[Key, Case]) -> Iterator[Key]:
    """The scenarios among random networks, as many of these as it takes until `random` of them are sick."""
    scenarios = [scenario.name for scenario in catalog() if scenario.group != "Healthy"]
    for question in (doctor.PREVENT, doctor.RESCUE):
        presets = iter(scenarios)
        for seed in itertools.count(first):
            if sum(_ranked(case, question) for case in cases.values()) >= random:
                break
            yield f"{RANDOM}{seed}", question
            if seed % 10 == 0 and (name := next(presets, None)):
                yield name, question
        yield from ((name, question) for name in presets)


def _ranked(case: Case, question: str) -> bool:
    return case.name.startswith(RANDOM) and case.question == question and case.diagnosis is not None


def kept(path: Path) -> list[Case]:
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [msgspec.json.decode(line, type=Case, strict=False) for line in lines if line.endswith(b"\n")]


if __name__ == "__main__":
    sys.exit(main())
