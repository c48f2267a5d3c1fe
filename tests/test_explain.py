"""`gradtui explain` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from gradtui.script import CODES
from tests.command import gradtui


def test_without_a_code_it_lists_all_each_in_one_line(tmp_path: Path) -> None:
    listed = gradtui(tmp_path, "explain")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(CODES)
    assert max(map(len, listed.stdout.splitlines())) <= 80
    lines = [json.loads(line) for line in gradtui(tmp_path, "explain", "--json").stdout.splitlines()]
    assert [line["code"] for line in lines] == list(CODES)


def test_a_page_as_text_and_as_json(tmp_path: Path) -> None:
    text = gradtui(tmp_path, "explain", "vanishing").stdout
    assert text.startswith("VANISHING · rates")
    assert "Hochreiter 1991" in text
    found = json.loads(gradtui(tmp_path, "explain", "non-finite", "--json").stdout)
    assert found["levels"] == [{"severity": "warning", "frames": 1, "steps": 1}, {"severity": "critical", "frames": 1, "steps": 1}]
    assert found["latched"] is True


def test_a_warning_may_be_called_as_text_shows_it(tmp_path: Path) -> None:
    for name, code in (("UPDATE TOO SMALL", "update-too-small"), ("NON-FINITE", "non-finite")):
        assert json.loads(gradtui(tmp_path, "explain", name, "--json").stdout)["code"] == code


def test_a_code_that_there_is_not_is_a_clear_error(tmp_path: Path) -> None:
    wrong = gradtui(tmp_path, "explain", "vanish\x1b[31ming")
    assert wrong.returncode == 2
    assert "no such warning; did you mean vanishing?" in wrong.stderr
    assert "\x1b" not in wrong.stderr
