"""A labelled bank of random trainings, and every rule's recall and false alarms on it.

    python -m benchmarks.diagnosis [--runs 400] [--first 0] [--jobs N] [--keep DIR] [--rejudge DIR]

A seed stands for a training (draws.py). Finished ones are kept in bank.jsonl and not trained again; with --keep their recordings
are, too, and --rejudge reads those with the rules as they are now. The table goes to standard output and to bank.md.
Seeds that nobody had seen when the rules were last changed are counted apart; what was changed after which look is in
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec

from benchmarks.diagnosis.table import markdown
from benchmarks.diagnosis.train import rejudge, run
from benchmarks.diagnosis.verdict import Verdict
from gradtui.stream.events import encode

HERE = Path(__file__).parent
KEPT = HERE / "bank.jsonl"
TABLE = HERE / "bank.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the recordings there")
    parser.add_argument("--rejudge", type=Path, metavar="DIR", help="judge the recordings there anew; train nothing")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    verdicts = {verdict.seed: verdict for verdict in _kept()}
    if options.rejudge:
        for seed, verdict in verdicts.items():
            if (path := options.rejudge / f"{seed:06d}.jsonl.gz").exists():
                verdict.ours, verdict.informed = rejudge(path)
        KEPT.write_bytes(b"".join(encode(verdicts[seed]) for seed in sorted(verdicts)))
    else:
        missing = [seed for seed in range(options.first, options.first + options.runs) if seed not in verdicts]
        _train(missing, options.jobs, options.keep, verdicts)
    table = markdown([verdicts[seed] for seed in sorted(verdicts)])
    TABLE.write_text(f"# The bank\n\n{table}", encoding="utf-8")
    print(table)


def _train(seeds: list[int], jobs: int, keep: Path | None, verdicts: dict[int, Verdict]) -> None:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, KEPT.open("ab") as file:
        waiting = [pool.submit(run, seed, keep) for seed in seeds]
        for done, future in enumerate(as_completed(waiting), start=1):
            verdict = future.result()
            verdicts[verdict.seed] = verdict
            file.write(encode(verdict))
            file.flush()
            print(f"\r{done}/{len(seeds)} in {time.monotonic() - started:.0f} s ", end="", file=sys.stderr)
    print(file=sys.stderr)


def _kept() -> list[Verdict]:
    lines = KEPT.read_bytes().splitlines() if KEPT.exists() else []
    return [msgspec.json.decode(line, type=Verdict, strict=False) for line in lines]


if __name__ == "__main__":
    main()
