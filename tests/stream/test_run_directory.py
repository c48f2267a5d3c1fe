"""Run directories are made for their owner only, and found again by path, by name, by its beginning, or as the newest."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gradtui.stream.run_directory import RunDirectory, RunError, all_runs, create, find, runs_root


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def recorded(name: str, age: int = 0) -> RunDirectory:
    run = create(name)
    run.events.write_bytes(b"")
    os.utime(run.events, (1e9 - age, 1e9 - age))
    return run


def test_a_new_run_is_private_and_two_in_one_second_differ() -> None:
    first, second = create("deep-sigmoid"), create("deep-sigmoid")
    assert first.path != second.path
    assert first.path.parent == runs_root()
    assert first.path.stat().st_mode & 0o777 == 0o700


def test_a_name_cannot_leave_the_root_or_carry_escapes() -> None:
    assert create("../../\x1b[31mx y").path.parent == runs_root()
    assert create("\x1b[31m").name.isprintable()


def test_a_directory_of_ones_own_is_taken_only_when_empty(tmp_path: Path) -> None:
    assert create("x", tmp_path / "new" / "run").path.is_dir()
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "events.jsonl").write_bytes(b"")
    with pytest.raises(RunError, match=r"already holds a run.*attach"):
        create("x", tmp_path / "held")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("")
    with pytest.raises(RunError, match="not empty"):
        create("x", tmp_path / "thesis")
    with pytest.raises(RunError, match="cannot be used"):
        create("x", tmp_path / "thesis" / "chapter.tex")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_someone_elses_directory_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(RunError, match="belongs to another user"):
        create("x", tmp_path)


def test_an_unwritable_directory_is_refused(tmp_path: Path) -> None:
    """In a process without root's powers, for whom permissions mean something."""
    script = (
        "import os, sys; from pathlib import Path; from gradtui.stream.run_directory import RunError, create\n"
        "os.chmod(sys.argv[1], 0o755); os.mkdir(sys.argv[1] + '/mine', 0o500); os.chown(sys.argv[1] + '/mine', -1, -1)\n"
        "if os.getuid() == 0: os.chown(sys.argv[1] + '/mine', 65534, 65534); os.setuid(65534)\n"
        "try: create('x', Path(sys.argv[1]) / 'mine')\n"
        "except RunError as error: print(error)"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == tmp_path.owner() and folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "is not writable" in result.stdout


def test_a_run_is_found_by_path_file_name_and_beginning() -> None:
    run = recorded("deep-sigmoid", age=10)
    recorded("plain-resnet")
    for word in (str(run.path), str(run.events), run.name, "deep"):
        assert find(word) == run


def test_the_newest_run_comes_first() -> None:
    old, new, oldest = recorded("b", age=10), recorded("a"), recorded("c", age=20)
    assert [run.name for run in all_runs()] == [new.name, old.name, oldest.name]
    assert find() == new


def test_what_is_no_run_is_said_with_what_would_be_right(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no runs yet"):
        find()
    recorded("deep-sigmoid")
    recorded("deep-resnet")
    (tmp_path / "file").write_text("")
    for word, said in (
        ("deep", "fits 2 runs"),
        ("shallow", "gradtui runs"),
        (str(tmp_path), "holds no events.jsonl"),
        (str(tmp_path / "file"), "is a file"),
        ("x" * 5000, "cannot be read"),
        ("~nobody-of-that-name", "no such run"),
    ):
        with pytest.raises(RunError, match=said):
            find(word)


def test_a_run_called_exactly_so_wins_over_those_whose_names_go_on() -> None:
    exact = recorded("exploding")
    recorded("exploding-relu")
    recorded("exploding-20260101-000000-x")
    assert find("exploding") == exact
    assert find("exploding-r").name.startswith("exploding-relu-")
    again = recorded("exploding")  # in the same second: its name goes on after the first one's
    assert find(exact.name) == exact
    with pytest.raises(RunError) as error:
        find("exploding")
    for run in (exact, again):
        assert run.name in str(error.value)
    assert "exploding: fits 2 runs (" in str(error.value)
    assert "relu" not in str(error.value)


@pytest.mark.parametrize(("count", "dots"), [(2, False), (3, False), (4, True)])
def test_runs_that_a_name_fits_are_named_and_only_what_is_left_out_is_dots(count: int, dots: bool) -> None:
    runs = [recorded(f"deep-{letter}", age) for age, letter in enumerate("abcd"[:count])]
    with pytest.raises(RunError) as error:
        find("deep")
    assert str(error.value) == f"deep: fits {count} runs ({', '.join(run.name for run in runs[:3])}{', …' * dots}); name one of them"
