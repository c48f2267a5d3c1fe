"""`gradtui export` as a user runs it, on recordings of every sort."""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from gradtui import cli_export
from gradtui.stream.events import End, Event, Frame, encode
from gradtui.stream.recording import Recording
from gradtui.stream.run_directory import RunError
from gradtui.stream.thinning import thin
from tests.command import COMMAND, environment, gradtui
from tests.diagnose.streams import frame, hello, layers
from tests.export.test_tables import strange
from tests.test_report import evil, write

FORMATS = ("csv", "parquet", "tensorboard", "svg")


def test_a_thinned_recording_is_exported_as_it_is(tmp_path: Path) -> None:
    run = write(tmp_path / "run", hello(), *(frame(i, grad_norm_max=[float(i)] * 5) for i in range(200)))
    thin(run.events, run.events.stat().st_size // 3)
    result = gradtui(tmp_path, "export", run.path, "--to", "csv", "--output", "-")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    with Recording(run.events) as recording:
        assert [int(row["step"]) for row in rows[::5]] == [event.step for event in recording.events() if isinstance(event, Frame)]
    assert 40 < len(rows) / 5 < 100
    assert max(float(row["grad_norm_max"]) for row in rows) == 199.0


def test_thinning_and_growing_meanwhile_change_nothing(tmp_path: Path) -> None:
    run = write(tmp_path / "run", hello(), *(frame(i) for i in range(100)))
    with Recording(run.events) as recording:
        thin(run.events, 10_000)
        with run.events.open("ab") as file:
            file.write(encode(frame(1000)))
        assert [event.step for event in recording.events() if isinstance(event, Frame)] == list(range(100))


def test_damaged_lines_and_a_half_last_one_are_passed_over(tmp_path: Path) -> None:
    run = write(tmp_path / "run", hello(), frame(0))
    with run.events.open("ab") as file:
        file.write(b'{"type":"later","x":1}\n\xff\xfe\n[[[[\n\n' + encode(frame(1)) + encode(frame(2))[:-20])
    with Recording(run.events) as recording:
        assert [event.step for event in recording.events() if isinstance(event, Frame)] == [0, 1]


def test_a_line_longer_than_a_chunk_is_one_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradtui.stream.recording.CHUNK", 100)
    events: list[Event] = [hello(), *(frame(i) for i in range(5)), End(reason="finished", step=4)]
    with Recording(write(tmp_path / "run", *events).events) as recording:
        assert list(recording.events()) == events


def test_empty_recordings_make_empty_tables(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    for to in FORMATS:
        result = gradtui(tmp_path, "export", run.path, "--to", to, "--output", tmp_path / to)
        drawn = to not in ("svg", "tensorboard")
        assert result.returncode == (0 if drawn else 2), result.stderr
        assert len(result.stderr.splitlines()) == (3 if drawn else 1)
    assert list(csv.DictReader((tmp_path / "csv" / "layers.csv").open())) == []
    assert pyarrow.parquet.read_table(tmp_path / "parquet" / "layers.parquet").num_rows == 0


@pytest.mark.parametrize("to", FORMATS)
def test_on_the_command_line(tmp_path: Path, to: str) -> None:
    run = write(tmp_path / "run", *evil())
    result = gradtui(tmp_path, "export", run.path, "--to", to, "--output", tmp_path / "out")
    assert (result.returncode, result.stdout) == (0, "")
    for line in result.stderr.splitlines():
        assert Path(line.removeprefix("written to ")).stat().st_size > 0
    taken = tmp_path / "taken"
    taken.write_text("")
    refused = gradtui(tmp_path, "export", run.path, "--to", to, "--output", taken)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert str(taken) in refused.stderr


def under(where: Path) -> set[str]:
    return {str(path.relative_to(where)) for path in where.rglob("*") if path.is_file()}


LONG: list[Event] = [hello(), *(frame(i, -3.0) for i in range(3)), hello(layers(8)), *(frame(i, -1.0, rows=9) for i in range(3))]
SHORT: list[Event] = [hello(), frame(0, -3.0)]


def test_an_earlier_export_of_a_longer_run_is_replaced_whole(tmp_path: Path) -> None:
    """Its further attempts and profiles are gone; exports in other formats beside it stay."""
    long, short, both = write(tmp_path / "long", *LONG), write(tmp_path / "short", *SHORT), tmp_path / "out"
    for to in FORMATS:
        for run, where in ((long, tmp_path / f"long-{to}"), (short, tmp_path / f"short-{to}"), (long, both)):
            cli_export.run(str(run.path), to, str(where), None)
    (both / ".DS_Store").write_text("")
    for to in FORMATS:
        cli_export.run(str(short.path), to, str(both), None)
    assert under(tmp_path / "long-tensorboard") > under(tmp_path / "short-tensorboard")
    assert under(tmp_path / "long-svg") != under(tmp_path / "short-svg")
    assert under(both) == {".DS_Store"}.union(*(under(tmp_path / f"short-{to}") for to in FORMATS))
    assert not (both / "attempt-1").exists()


@pytest.mark.parametrize("strange", ["notes.txt", "attempt-0/mine.txt", "attempt-0/deeper/it", "loss.svg/it", "profile-x.svg"])
@pytest.mark.parametrize("to", ["svg", "tensorboard"])
def test_a_directory_that_holds_anything_else_is_refused_and_left_alone(tmp_path: Path, to: str, strange: str) -> None:
    run, where = write(tmp_path / "run", *SHORT), tmp_path / "out"
    (where / strange).parent.mkdir(parents=True)
    (where / strange).write_text("mine")
    (where / "total_norm.svg").write_text("an export's")
    with pytest.raises(RunError, match=f"^{where}: holds {strange.removesuffix('/it')}, which is not an export's"):
        cli_export.run(str(run.path), to, str(where), None)
    assert under(where) == {strange, "total_norm.svg"}


def test_a_refused_directory_is_one_line_and_help_says_which_are_taken(tmp_path: Path) -> None:
    run = write(tmp_path / "run", *SHORT)
    found = gradtui(tmp_path, "export", run.path, "--to", "csv", "--output", tmp_path)
    assert (found.returncode, found.stdout, len(found.stderr.splitlines())) == (2, "", 1)
    assert "holds run, which is not an export's" in found.stderr
    assert "holds nothing but exports" in gradtui(tmp_path, "export", "--help").stdout


def test_an_export_that_shows_nothing_takes_nothing_away(tmp_path: Path) -> None:
    where = tmp_path / "out"
    assert gradtui(tmp_path, "export", write(tmp_path / "run", *SHORT).path, "--to", "svg", "--output", where).returncode == 0
    before = under(where)
    assert gradtui(tmp_path, "export", write(tmp_path / "empty").path, "--to", "svg", "--output", where).returncode == 2
    assert under(where) == before


@pytest.mark.parametrize("to", FORMATS)
def test_a_disk_that_fills_is_named_by_the_directory(tmp_path: Path, to: str) -> None:
    """Really full: the kernel refuses to let a file grow beyond a block."""
    run = write(tmp_path / "run", hello(), *(frame(i) for i in range(1000)))
    command = shlex.join([*COMMAND, "export", str(run.path), "--to", to, "--output", str(tmp_path / "out")])
    result = subprocess.run(["bash", "-c", f"ulimit -f 1; {command}"], capture_output=True, text=True, env=environment(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"gradtui: {tmp_path / 'out'}")
    assert "File too large" in result.stderr
    assert result.stderr.count("\n") == 1


def test_standard_output_has_the_same_bytes_as_the_file(tmp_path: Path) -> None:
    run = write(tmp_path / "run", *strange())
    assert gradtui(tmp_path, "export", run.path, "--to", "csv", "--output", tmp_path / "out").returncode == 0
    for table in ("layers", "frames", "changes"):
        printed = gradtui(tmp_path, "export", run.path, "--to", "csv", "--output", "-", "--table", table, PYTHONIOENCODING="ascii")
        assert printed.stdout == (tmp_path / "out" / f"{table}.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing", "--to", "csv"], 4, "no such run"),
        (["RUN"], 2, "--to"),
        (["RUN", "--to", "xlsx"], 2, "parquet"),
        (["RUN", "--to", "parquet", "--output", "-"], 2, "name a directory"),
        (["RUN", "--to", "csv", "--table", "layers"], 2, "--output -"),
        (["RUN", "--to", "csv", "--output", "-", "--table", "x"], 2, "'changes'"),
        (["HUGE", "--to", "csv", "--output", "-"], 2, "2^63"),
        (["HUGE", "--to", "parquet"], 2, "2^63"),
        (["HUGE", "--to", "tensorboard"], 2, "2^63"),
    ],
)
def test_a_wrong_flag_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "RUN", hello(), frame(0))
    write(tmp_path / "HUGE", hello(), frame(2**80))
    result = gradtui(tmp_path, "export", *arguments)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("to", "package"), [("parquet", "pyarrow"), ("tensorboard", "tensorboard")])
def test_a_package_that_is_not_installed_is_named(tmp_path: Path, to: str, package: str) -> None:
    run = write(tmp_path / "run", *strange())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{package}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{package}'\")")
    result = gradtui(tmp_path, "export", run.path, "--to", to, "--output", tmp_path / "out", PYTHONPATH=str(tmp_path / "broken"))
    assert result.returncode == 2
    assert result.stderr == (
        f"gradtui: this needs {package}, which cannot be imported (No module named '{package}'); install it with: pip install {package}\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_directory_that_begins_like_a_home_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = write(tmp_path / "run", hello(), frame(0))
    result = gradtui(tmp_path, "export", run.path, "--to", "csv", "--output", "~nobody-of-that-name")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "~nobody-of-that-name" / "layers.csv").exists()


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    run = write(tmp_path / "run", hello(), *(frame(i) for i in range(2000)))
    command = [sys.executable, "-m", "gradtui", "export", str(run.path), "--to", "csv", "--output", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 141)
    process.stderr.close()
