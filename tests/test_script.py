"""Scripts as they are read: what is set and expected, each with its place."""

from __future__ import annotations

from pathlib import Path

from gradtui.lab.scenario import load
from gradtui.lab.toggles import Scheduled
from gradtui.script import Change, read


def test_a_script_may_be_written_on_windows(tmp_path: Path) -> None:
    """With a byte order mark, and lines that end with two characters."""
    path = tmp_path / "lesson.txt"
    path.write_bytes("\ufeffat 5 set lr=1\r\n\r\nexpect no non-finite after 9\r\n".encode())
    script = read(path, load("deep-sigmoid"))
    assert script.schedule == [Change(f"{path}:1", Scheduled(5, "lr", 1.0))]
    assert [(e.where, e.text) for e in script.expectations] == [(f"{path}:3", "expect no non-finite after 9")]
