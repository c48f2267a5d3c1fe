"""The doctor on the screen: its table as the trials come in, the choice put in force, and no process left."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from gradtui.stream.events import Event
from gradtui.ui import run_screen
from gradtui.ui.doctor import DoctorScreen, Findings
from gradtui.ui.run_screen import RunScreen
from tests.processes import alive, wait_for
from tests.ui import recordings as rec
from tests.ui.screens import showing

OPENING: list[Event] = [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]


def trial(question: str, loss: float | str, open: list[str] | None = None, error: str = "", **fix: Any) -> dict[str, Any]:
    return {"type": "trial", "question": question, "fix": fix, "seed": 0, "loss": loss, "metrics": {}, "open": open or [], "error": error}


def scored(accuracy: float, loss: float | str, **fix: Any) -> dict[str, Any]:
    return trial("rescue", loss, **fix) | {"metrics": {"accuracy": accuracy}}


DIAGNOSIS: dict[str, Any] = {
    "type": "diagnosis",
    "step": 41,
    "warnings": [{"code": "vanishing"}],
    "trials": 10,
    "outcome": "loss",
    "attempts": 1,
}
TRIALS = [
    trial("rescue", 2.3, ["vanishing"]),
    trial("rescue", 0.5, batch_norm="on"),
    trial("rescue", "nan", ["non-finite"], lr=0.2),
    trial("rescue", 0.1, clip="norm"),
    trial("rescue", "nan", error="no \x1b[31mway", skip="plain"),
    trial("prevent", 0.25, batch_norm="on"),
]


async def test_the_cursor_stays_with_the_fix_that_it_was_moved_to_when_a_better_one_comes_in(tmp_path: Path) -> None:
    """Else enter would put another one in force than the one that is read."""
    async with showing(tmp_path, OPENING) as s:
        screen = DoctorScreen(s.run, "cpu", command=(sys.executable, "-c", ""))
        taken: list[object] = []
        s.app.push_screen(screen, taken.append)
        await s.settle()
        for line in (DIAGNOSIS, TRIALS[0], scored(0.5, 0.5, batch_norm="on"), scored(0.4, 0.6, skip="scaled")):
            screen._findings.take(line)
        await s.press("down")
        screen._findings.take(scored(0.9, 0.1, activation="tanh"))
        screen._show()
        await s.settle()
        assert "› skip=scaled" in s.text()
        assert "vanishing at step 41 · 4 of 10 trials" in s.text()
        await s.press("enter")
        assert taken == [{"skip": "scaled"}]


def said(*lines: dict[str, Any]) -> Findings:
    findings = Findings()
    for line in lines:
        findings.take(line)
    return findings


def texts(findings: Findings, cursor: int = 0, width: int = 107) -> list[str]:
    return ["".join(text for text, _ in row) for row in (*findings.about(width), *findings.rows(cursor, width))]


def test_fixes_are_in_order_as_they_come_in() -> None:
    findings = said(DIAGNOSIS, *TRIALS)
    assert findings.fixes == [{"clip": "norm"}, {"batch_norm": "on"}, {}, {"lr": 0.2}, {"skip": "plain"}]
    assert findings.heading == "vanishing at step 41"
    assert findings.progress == "6 of 10 trials"
    rows = texts(findings)
    assert rows[0].strip().startswith("rescue: in force from step 41 on; prevent: from the first step.")
    assert rows[2].split() == ["›", "clip=norm", "0.1", "…", "–"]
    assert rows[3].split() == ["batch_norm=on", "0.5", "0.25", "–"]
    assert rows[4].split() == ["nothing", "2.3", "…", "vanishing"]
    assert rows[5].split() == ["lr=0.2", "nan", "…", "non-finite"]
    assert rows[6].split() == ["skip=plain", "–", "…", "no", "\\x1b[31mway"]


@pytest.mark.parametrize("width", [37, 77, 107])
def test_no_outcome_is_cut_at_any_width(width: int) -> None:
    last = trial("rescue", 1.5, ["vanishing", "update-too-small"] * 5, norm_scale=3.0, batch_norm="on")
    rows = texts(said(DIAGNOSIS, *TRIALS, last), 0, width)
    assert all(len(row) <= width for row in rows)
    assert "    rescue   prevent" in next(row for row in rows if " rescue " in row and "in force" not in row)
    found = next(row for row in rows if "clip=norm" in row).split()
    assert found[2:4] == ["0.1", "…"]
    assert " ".join(" ".join(rows).split()).startswith("rescue: in force from step 41 on; prevent: from the first step. Accuracy, or else")


def test_of_a_run_that_was_restarted_the_attempt_is_named() -> None:
    assert said(DIAGNOSIS | {"attempts": 3}).heading == "vanishing at step 41 of attempt 3, the last"


def test_the_accuracy_is_shown_and_decides_where_it_is_measured() -> None:
    findings = said(DIAGNOSIS, scored(0.1, 2.3), scored(0.5, 1.9, clip="norm"), scored(0.4, 1.2, lr=0.2), scored(0.9, "nan", skip="plain"))
    assert findings.fixes == [{"clip": "norm"}, {"lr": 0.2}, {}, {"skip": "plain"}]
    assert [row.split()[-3] for row in texts(findings)[2:]] == ["50.0%", "40.0%", "10.0%", "nan"]


def test_the_doctors_own_ranking_has_the_last_word() -> None:
    rescue = [{"fix": {"batch_norm": "on"}, "rank": 1}, {"fix": {"clip": "norm"}, "rank": 2}, {"fix": {}, "rank": 3}]
    rows = [*rescue, {"fix": {"lr": 0.2}, "rank": 4}, {"fix": {"skip": "plain"}, "rank": 5}]
    prevent = [{"fix": {"clip": "norm"}, "rank": 1}, {"fix": {"batch_norm": "on"}, "rank": 2}]
    findings = said(
        DIAGNOSIS,
        *TRIALS,
        {"type": "ranking", "question": "rescue", "rows": rows},
        {"type": "ranking", "question": "prevent", "rows": prevent},
    )
    assert findings.fixes[:2] == [{"batch_norm": "on"}, {"clip": "norm"}]


def doctor(tmp_path: Path, lines: list[dict[str, Any]], then: str) -> list[str]:
    """A process that says these lines and then does something."""
    path = tmp_path / "doctor.py"
    printed = "".join(json.dumps(line) + "\n" for line in lines)
    pid = str(tmp_path / "pid")
    code = [f"open({pid!r}, 'w').write(str(os.getpid()))", f"print({printed!r}, end='', flush=True)", then]
    path.write_text("\n".join(["import os, sys, time", *code]))
    return [sys.executable, str(path)]


@pytest.mark.parametrize(
    ("presses", "sent"), [([], {"clip": "norm"}), (["j"], {"batch_norm": "on"}), (["j", "down", "k"], {"batch_norm": "on"})]
)
async def test_enter_puts_the_fix_under_the_cursor_in_force(tmp_path: Path, presses: list[str], sent: dict[str, Any]) -> None:
    command = doctor(tmp_path, [DIAGNOSIS, *TRIALS], "time.sleep(600)")
    async with showing(tmp_path / "run", OPENING) as shown:
        with patch.object(run_screen, "DoctorScreen", lambda run, device: DoctorScreen(run, device, command)):
            await shown.press("R")
        await shown.until("batch_norm=on")
        assert "vanishing at step 41" in shown.text()
        await shown.press(*presses, "enter")
        assert isinstance(shown.app.screen, RunScreen)
        assert [command.set for command in shown.commands()] == [sent]
        pid = int((tmp_path / "pid").read_text())
        wait_for(lambda: not alive(pid), "the doctor's end")


async def test_escape_stops_the_doctor_and_changes_nothing(tmp_path: Path) -> None:
    command = doctor(tmp_path, [DIAGNOSIS, *TRIALS], "time.sleep(600)")
    async with showing(tmp_path / "run", OPENING) as shown:
        shown.app.push_screen(DoctorScreen(shown.run, "cpu", command))
        await shown.until("clip=norm")
        await shown.press("escape")
        assert shown.commands() == []
        pid = int((tmp_path / "pid").read_text())
        wait_for(lambda: not alive(pid), "the doctor's end")


@pytest.mark.parametrize(
    ("device", "host", "named"),
    [
        ("cpu", "elsewhere", "cpu"),
        ("cuda:0 (NVIDIA H100)", socket.gethostname(), "cuda"),
        ("cuda:0 (NVIDIA H100)", "elsewhere", "auto"),
        ("mps", socket.gethostname(), "auto"),
    ],
)
async def test_the_key_asks_for_the_runs_own_device(tmp_path: Path, device: str, host: str, named: str) -> None:
    hello = msgspec.structs.replace(rec.hello(rec.layers(9)), device=device, host=host)
    command = doctor(tmp_path, [], "sys.exit(' '.join(sys.argv[1:-1]))")
    async with showing(tmp_path / "run", [hello, *OPENING[1:]]) as shown:
        with patch.object(run_screen, "DoctorScreen", lambda run, device: DoctorScreen(run, device, command)):
            await shown.press("R")
        await shown.until(f"--device {named} ")


async def test_what_the_doctor_cannot_do_is_said(tmp_path: Path) -> None:
    command = doctor(tmp_path, [], "sys.exit('gradtui: it is a training \\x1b[31mof your own')")
    async with showing(tmp_path / "run", OPENING) as shown:
        shown.app.push_screen(DoctorScreen(shown.run, "cpu", command))
        await shown.until("of your own")
        assert "rescue" not in shown.text()  # there are no columns to name
        assert "\\x1b[31mof your own" in shown.text()
        await shown.press("enter")  # there is nothing to apply
        assert shown.commands() == []
