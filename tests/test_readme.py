"""README's examples of a scenario of one's own run as they are written there, and its table has every command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradtui.cli import cli
from gradtui.lab.scenario import NEEDED
from tests.command import gradtui
from tests.stream.test_events import strict

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## A scenario of your own\n")[2].partition("\n## ")[0]
FILES: list[str] = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
(MODULE,) = re.findall(r"```python\n# mine\.py\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.parametrize("text", FILES, ids=["lab", "own"])
def test_an_example_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text, encoding="utf-8")
    Path("mine.py").write_text(MODULE, encoding="utf-8")
    result = gradtui(tmp_path, "run", "mine.toml", "--headless", "--json", "--steps", "11", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    events = [strict(line.encode()) for line in result.stdout.splitlines()]
    assert [event["step"] for event in events if event["type"] == "frame"] == [0, 10]
    assert events[0]["scenario"]["title"] in text


@pytest.mark.parametrize("text", FILES, ids=["lab", "own"])
def test_the_four_keys_are_all_that_is_needed(tmp_path: Path, text: str) -> None:
    """Each of them is in the example, and without its first line the file is told what it lacks."""
    assert all(re.search(rf"^{key} = ", text, re.MULTILINE) for key in NEEDED)
    path = tmp_path / "mine.toml"
    path.write_text(text.partition("\n")[2], encoding="utf-8")
    result = gradtui(tmp_path, "run", path, "--headless")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "it has no title" in result.stderr


def test_the_table_of_commands_has_every_one() -> None:
    table = README.partition("## Commands\n")[2].partition("\nThe flags of")[0]
    assert [name for name in cli.commands if f"`gradtui {name}" not in table] == []
