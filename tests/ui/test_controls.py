from pathlib import Path

import msgspec

from gradtui.stream.commands import Command
from gradtui.stream.events import Applied
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.controls import Controls


def sent(run: RunDirectory) -> list[Command]:
    return [msgspec.json.decode(line, type=Command) for line in run.commands.read_bytes().splitlines()]


def test_a_value_is_pending_until_its_own_last_command_is_answered(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    controls = Controls(run)
    controls.set({"clip": "norm"})
    controls.set({"clip": "value"})
    first, second = sent(run)
    assert (first.set, second.set) == ({"clip": "norm"}, {"clip": "value"})
    controls.answer(Applied(id=first.id, step=3, toggle="clip", value="norm"))
    assert controls.pending == {"clip": "value"}
    controls.answer(Applied(id=second.id, step=4, toggle="clip", value="value"))
    assert controls.pending == {}


def test_of_several_values_by_one_command_each_is_pending_until_it_is_answered_itself(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    controls = Controls(run)
    controls.set({"optimizer": "adam", "lr": 0.001})
    (command,) = sent(run)
    assert command.set == {"optimizer": "adam", "lr": 0.001}
    controls.answer(Applied(id=command.id, step=3, toggle="optimizer", value="adam"))
    assert controls.pending == {"lr": 0.001}
    controls.answer(Applied(id=command.id, step=3, toggle="lr", value=0.001))
    assert controls.pending == {}


def test_a_refusal_is_told_with_its_reason_and_kept(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    controls = Controls(run)
    controls.set({"skip": "plain"})
    text, severity = controls.answer(Applied(id=sent(run)[0].id, step=3, toggle="skip", reason="no \x1b[31mplace"))
    assert severity == "warning"
    assert text.startswith("skip refused: no ")
    assert "\x1b" not in text
    assert (controls.pending, list(controls.refused)) == ({}, ["skip"])
    controls.set({"skip": "scaled"})
    assert controls.refused == {}


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert "cannot be written" in Controls(RunDirectory(tmp_path / "gone")).set({"clip": "norm"})
    assert "cannot be written" in Controls(RunDirectory(tmp_path / "gone")).do("pause")
