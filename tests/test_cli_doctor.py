"""`gradtui doctor` as a user runs it: the same bytes every time, one line for what is wrong, and no worker left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import COMMAND, environment, gradtui
from tests.lab.patients import DEAD
from tests.processes import alive, wait_for


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    path = tmp_path / "dead.toml"
    path.write_text(DEAD)
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return [child for child in found if alive(child)]


def test_json_has_the_diagnosis_every_trial_and_a_ranking_for_each_question_the_same_each_time(tmp_path: Path, dead: Path) -> None:
    flags: list[str | Path] = ["doctor", dead, "--json", "--seeds", "1", "--steps", "30"]
    first = gradtui(tmp_path, *flags)
    assert first.returncode == 0, first.stderr
    diagnosis, *trials, rescue, prevent = lines(first.stdout)
    assert (diagnosis["type"], diagnosis["step"], diagnosis["seeds"]) == ("diagnosis", 5, [5])
    assert diagnosis["warnings"][0]["code"] == "dead-units"
    assert {trial["type"] for trial in trials} == {"trial"}
    assert len(trials) == diagnosis["trials"] == 2 * (len(diagnosis["fixes"]) + 1)
    assert [ranking["question"] for ranking in (rescue, prevent)] == ["rescue", "prevent"]
    for ranking in (rescue, prevent):
        rows = ranking["rows"]
        assert len(rows) == len(diagnosis["fixes"]) + 1
        assert rows[0]["verdict"] == "better"
        assert sum(row["random"] for row in rows) == 1
        nothing = next(row["rank"] for row in rows if not row["fix"])
        assert next(row["rank"] for row in rows if row["fix"] == {"batch_norm": "on"}) < nothing
    one_core = subprocess.run(
        ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *COMMAND, *map(str, flags)],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=True,
    )
    assert one_core.stdout == first.stdout


def test_text_narrates_on_stderr_and_prints_the_tables(tmp_path: Path, dead: Path) -> None:
    found = gradtui(tmp_path, "doctor", dead, "--seeds", "2", "--steps", "8", "--from", "start", "--device", "cpu")
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[0].endswith("seed 5, at step 0, on cpu")
    assert "Would it have prevented? In force from the first step" in found.stdout
    assert "Does it rescue" not in found.stdout
    assert "  nothing  " in found.stdout
    assert "lowest–highest" in found.stdout
    assert "/" in found.stderr.splitlines()[-1]
    assert "seed 6" in found.stderr.splitlines()[-1]


def test_a_recording_is_done_again_with_what_was_applied_to_it(tmp_path: Path, dead: Path) -> None:
    run = tmp_path / "run"
    recorded = gradtui(tmp_path, "run", dead, "--headless", "--steps", "20", "--seed", "3", "--at", "2:lr=0.01", "--run-dir", run)
    assert recorded.returncode == 0, recorded.stderr
    found = gradtui(tmp_path, "doctor", run, "--json", "--seeds", "1", "--steps", "4")
    assert found.returncode == 0, found.stderr
    diagnosis = lines(found.stdout)[0]
    # Its units are dead since step 0; what was changed at step 2 starts the rules' counting anew.
    assert (diagnosis["patient"], diagnosis["seed"], diagnosis["step"]) == ("run", 3, 7)
    assert {"lr": 0.1} in diagnosis["fixes"]  # ten times what was applied
    assert {"lr": 0.01} not in diagnosis["fixes"]
    later = lines(gradtui(tmp_path, "doctor", run, "--json", "--seeds", "1", "--steps", "1", "--from", "1").stdout)[0]
    assert later["step"] == 1
    assert {"lr": 0.5} in later["fixes"]


def test_of_a_run_that_was_restarted_it_says_which_attempt_it_looks_at(tmp_path: Path, dead: Path) -> None:
    run = tmp_path / "run"
    recorded = gradtui(tmp_path, "run", dead, "--headless", "--steps", "20", "--run-dir", run)
    assert recorded.returncode == 0, recorded.stderr
    once = (run / "events.jsonl").read_bytes()
    as_json = gradtui(tmp_path, "doctor", run, "--json", "--seeds", "1", "--steps", "1")
    assert lines(as_json.stdout)[0]["attempts"] == 1
    (run / "events.jsonl").write_bytes(3 * once)
    as_json = gradtui(tmp_path, "doctor", run, "--json", "--seeds", "1", "--steps", "1")
    assert lines(as_json.stdout)[0]["attempts"] == 3
    in_text = gradtui(tmp_path, "doctor", run, "--seeds", "1", "--steps", "1")
    assert in_text.stdout.startswith("run (the last of 3 attempts), seed 5, at step 5")
    assert in_text.stderr.startswith("training run (the last of 3 attempts) until it is ill")


def test_the_healthy_are_sent_home(tmp_path: Path, dead: Path) -> None:
    dead.write_text(DEAD.replace("bias = -1.5", "bias = 0.0"))
    found = gradtui(tmp_path, "doctor", dead)
    assert found.returncode == 0
    assert "nothing to cure" in found.stdout
    as_json = gradtui(tmp_path, "doctor", dead, "--json")
    assert (as_json.returncode, as_json.stdout) == (0, "")
    assert "nothing to cure" in as_json.stderr


BROKEN = 'title = "T"\nshows = "S"\nmodel = "mine:{}"\ndata = "digits"\n'
MINE = """
import os
def fails(): raise RuntimeError("no \\x1b[31mway")
def dies(): os._exit(7)
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["doctor", "ded-relu"], 4, "ded-relu: no such scenario or run; did you mean dead-relu?"),
        (["doctor", "qqq"], 4, "qqq: no such scenario or run; gradtui list and gradtui runs name them"),
        (["doctor", "none.toml"], 4, "none.toml: no such file"),
        (["doctor", "."], 4, "is not a run directory"),
        (["doctor", "dead-relu", "--from", "later"], 2, "later is not a step's number, or start"),
        (["doctor", "dead-relu", "--seeds", "0"], 2, "'--seeds': 0 is not a whole number from 1 to 10"),
        (["doctor", "dead-relu", "--device", "gpu"], 2, "'gpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["doctor", "dead-relu", "--device", "cuda"], 2, "gradtui: device is cuda, and torch finds no CUDA device here; it is auto or cpu"),
        (["doctor", "fails.toml"], 2, "mine:fails failed: RuntimeError: no \\x1b[31mway"),
        (["doctor", "dies.toml"], 3, "dies.toml: the training failed: a worker ended with exit code 7"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    for name in ("fails", "dies"):
        (tmp_path / f"{name}.toml").write_text(BROKEN.format(name))
    found = gradtui(tmp_path, *words, CUDA_VISIBLE_DEVICES="")
    assert found.returncode == code
    assert found.stdout == ""
    assert said in found.stderr.splitlines()[-1]
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_worker_is_left_when_it_is_interrupted_or_killed(tmp_path: Path, dead: Path, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [*COMMAND, "doctor", str(dead), "--json", "--steps", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path, TMPDIR=str(tmp_path)),
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["type"] == "diagnosis"
    workers = children(process.pid)
    assert workers
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal sends it: to all of them
    else:
        os.kill(process.pid, number)
    process.wait(60)
    assert process.returncode == code
    wait_for(lambda: not any(map(alive, workers)), "the last worker's end")
    assert process.stderr.read() == ""
    if number != signal.SIGKILL:
        assert not list(tmp_path.glob("gradtui-doctor-*"))


def test_its_workers_live_without_standard_output(tmp_path: Path) -> None:
    """Catches a worker whose first file takes the number of a stream that is not there."""
    sound = tmp_path / "sound.toml"
    sound.write_text('title = "Sound"\nshows = "Nothing"\nmodel = "mlp"\ndata = "spirals"\nsteps = 5\n[settings]\ndepth = 2\nwidth = 8\n')
    command = f"{' '.join(COMMAND)} doctor {sound} --json >&-"
    assert subprocess.run(["bash", "-c", command], env=environment(tmp_path), capture_output=True).returncode == 0
