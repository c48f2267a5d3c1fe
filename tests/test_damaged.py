"""Commands on recordings that are none, or damaged: one line on standard error, and all that can be read on standard output."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from gradtui.stream.events import Frame, encode
from tests.command import gradtui
from tests.diagnose.test_postmortem import CURED
from tests.lab import test_patient as patient

COMMANDS = (
    ("replay", "--headless", "RUN"),
    ("attach", "--headless", "--json", "RUN"),
    ("report", "RUN"),
    ("compare", "RUN", "RUN"),
    ("export", "--to", "csv", "RUN"),
    ("export", "--to", "csv", "--output", "-", "RUN"),
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    return tmp_path / "RUN" / "events.jsonl"


@pytest.mark.parametrize("command", [*COMMANDS, ("doctor", "RUN"), ("attach", "RUN"), ("replay", "RUN")], ids=" ".join)
def test_what_is_no_recording_is_a_bad_file(tmp_path: Path, run: Path, command: tuple[str, ...]) -> None:
    run.write_text("hm\nwhat\n")
    result = gradtui(tmp_path, *command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("gradtui: RUN/events.jsonl: is not a run's recording: no line of it is an event (line 1: ")
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["RUN"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_rest_of_a_damaged_recording_is_shown_and_what_is_missing_said(tmp_path: Path, run: Path, command: tuple[str, ...]) -> None:
    lines = [encode(event) for event in CURED]
    run.write_bytes(b"".join(lines))
    whole = gradtui(tmp_path, *command)
    run.write_bytes(b"".join([*lines[:2], b"hm\n", *lines[2:], b'{"type":"fra']))
    result = gradtui(tmp_path, *command)
    assert (result.returncode, result.stdout) == (whole.returncode, whole.stdout)
    said = [line for line in result.stderr.splitlines() if line not in whole.stderr.splitlines()]
    note = "gradtui: RUN/events.jsonl: 1 line is no event and was passed over (line 3: JSON is malformed: invalid character (byte 0))"
    assert said == [note] * (2 if command[0] == "compare" else 1)


@pytest.mark.parametrize("numbers", [2, 99])
@pytest.mark.parametrize("command", [*COMMANDS, ("export", "--to", "svg", "RUN")], ids=" ".join)
def test_a_frame_that_does_not_fit_its_layers_ends_nothing(tmp_path: Path, run: Path, command: tuple[str, ...], numbers: int) -> None:
    fields = [field for field, kind in Frame.__annotations__.items() if kind == "Numbers"]
    events = [replace(e, **dict.fromkeys(fields, [0.1] * numbers)) if isinstance(e, Frame) else e for e in CURED]
    run.write_bytes(b"".join(map(encode, events)))
    result = gradtui(tmp_path, *command)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)


def test_the_doctor_tells_of_lines_that_it_could_not_read(tmp_path: Path, run: Path) -> None:
    run.write_bytes(encode(patient.hello()) + b"hm\n" + encode(patient.frame(0, 1.0)))
    result = gradtui(tmp_path, "doctor", "RUN")
    assert "nothing to cure" in result.stdout
    assert "gradtui: RUN/events.jsonl: 1 line is no event and was passed over (line 2: JSON is malformed" in result.stderr


BLIND = "no warning could be opened: which layers the numbers are of is not known"


def test_of_a_recording_without_its_beginning_nothing_is_called_well_or_alike(tmp_path: Path, run: Path) -> None:
    """Catches `no warnings`, which none could be, and `set alike`, which nobody knows."""
    run.write_bytes(b"".join(encode(event) for event in CURED[1:]))
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "events.jsonl").write_bytes(b"".join(map(encode, CURED)))
    assert gradtui(tmp_path, "replay", "--headless", "RUN").stdout.endswith(f"\n{BLIND}\n")
    assert BLIND in gradtui(tmp_path, "report", "RUN").stdout
    compared = gradtui(tmp_path, "compare", whole, "RUN").stdout
    assert "\n\nwhat was set is not known of B" in compared
    assert f"\nB  {BLIND}\n" in compared
    assert "what was set is not known of A and B" in gradtui(tmp_path, "compare", "RUN", "RUN").stdout
