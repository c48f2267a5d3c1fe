"""Commands are checked by both sides, read once, and survive any number of senders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtui.stream.commands import Command, CommandError, CommandReader, parse, send
from gradtui.stream.events import Value
from tests.stream.strategies import texts, values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "commands.jsonl"


@given(st.dictionaries(texts, values, min_size=1, max_size=3))
def test_what_is_sent_is_what_is_obeyed(tmp_path_factory: pytest.TempPathFactory, setting: dict[str, Value]) -> None:
    path = tmp_path_factory.mktemp("run") / "commands.jsonl"
    reader = CommandReader(path)
    id = send(path, set=setting)
    assert repr(reader.poll()) == repr([Command(id=id, set=setting)])


@pytest.mark.parametrize(
    ("line", "id", "said"),
    [
        (b"nonsense", "", "not a command"),
        (b"[]", "", "not a command"),
        (b"\xff", "", "not a command"),
        (b"[" * 100_000, "", "not a command"),
        (b'{"set": {"lr": 1}}', "", "id"),
        (b'{"id": "a", "set": {"lr": null}}', "a", "not a command"),
        (b'{"id": "a", "do": "explode"}', "a", "pause, resume, step, restart, stop, detach"),
        (b'{"id": "a"}', "a", "either"),
        (b'{"id": "a", "do": "stop", "set": {"lr": 1}}', "a", "either"),
    ],
)
def test_a_bad_line_is_answered_with_its_id_and_what_would_be_right(line: bytes, id: str, said: str) -> None:
    with pytest.raises(CommandError, match=said) as error:
        parse(line)
    assert error.value.id == id


def test_a_half_written_command_waits_for_its_end(path: Path) -> None:
    reader = CommandReader(path)
    path.write_bytes(b'{"id":"1","do":"pause"}\n{"id":"2","d')
    assert [c.id for c in reader.poll()] == ["1"]
    assert reader.poll() == []
    with path.open("ab") as file:
        file.write(b'o":"resume"}\n')
    assert reader.poll() == [Command(id="2", do="resume")]


def test_a_bad_line_does_not_hide_the_next_one(path: Path) -> None:
    reader = CommandReader(path)
    path.write_bytes(b'\n{"id":"1","do":"nonsense"}\n\n{"id":"2","do":"stop"}\n')
    bad, good = reader.poll()
    assert isinstance(bad, CommandError)
    assert good == Command(id="2", do="stop")


def test_what_an_earlier_trainer_was_told_is_not_told_again(path: Path) -> None:
    send(path, do="stop")
    reader = CommandReader(path)
    id = send(path, do="pause")
    assert reader.poll() == [Command(id=id, do="pause")]


def test_a_truncated_file_is_read_from_its_beginning(path: Path) -> None:
    for _ in range(3):
        send(path, do="pause")
    reader = CommandReader(path)
    path.write_bytes(b'{"id":"new","do":"stop"}\n')
    assert reader.poll() == [Command(id="new", do="stop")]


def test_concurrent_senders_lose_nothing_and_mix_nothing(path: Path) -> None:
    reader = CommandReader(path)
    script = (
        "import sys; from pathlib import Path; from gradtui.stream.commands import send\n"
        "for n in range(200): send(Path(sys.argv[1]), set={sys.argv[2]: 'x' * 3000, 'n': n})"
    )
    senders = [subprocess.Popen([sys.executable, "-c", script, str(path), f"viewer{i}"]) for i in range(4)]
    assert [sender.wait() for sender in senders] == [0] * 4
    commands = reader.poll()
    assert all(isinstance(command, Command) for command in commands)
    for i in range(4):
        mine = [c.set["n"] for c in commands if isinstance(c, Command) and f"viewer{i}" in c.set]
        assert mine == list(range(200))


def test_a_command_that_does_not_fit_on_the_disk_is_an_error_for_the_sender(path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from gradtui.stream.commands import send\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: send(Path(sys.argv[1]), set={'x': 'y' * 1000})\n"
        "except OSError: print('refused')"
    )
    result = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout == "refused\n"
