"""The command line: what it prints, its exit codes, and one clear line for whatever a user gets wrong."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gradtui import __version__
from gradtui.lab.declarations import TOGGLES
from gradtui.script import CODES
from gradtui.stream.events import Frame, decode
from tests.command import COMMAND, environment, gradtui
from tests.stream.test_events import strict

GOOD = """
title = "Mine"
shows = "Nothing in particular"
model = "mlp"
data = "digits"
steps = 20
[settings]
depth = 2
width = 8
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_version_and_help(state: Path) -> None:
    assert gradtui(state, "--version").stdout == f"gradtui, version {__version__}\n"
    help = gradtui(state, "-h")
    assert help.returncode == 0
    for command in ("run", "attach", "replay", "export", "list", "show", "runs", "completion"):
        assert f"\n  {command} " in help.stdout
    assert "..." not in help.stdout.partition("Commands:")[2], "what a command does is cut off"
    assert "\n    128 + n  ended by signal n" in help.stdout


def test_without_a_terminal_it_says_how_it_is_used(state: Path) -> None:
    result = gradtui(state)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: gradtui")


def test_list_and_show_in_text_and_in_json(state: Path) -> None:
    names = [strict(line.encode())["name"] for line in gradtui(state, "list", "--json").stdout.splitlines()]
    assert {"deep-sigmoid", "exploding-relu", "plain-resnet"} <= set(names)
    listed = gradtui(state, "list").stdout
    assert all(f"\n  {name} " in listed for name in names)
    shown = gradtui(state, "show", "deep-sigmoid")
    assert "batch_norm=off" in shown.stdout
    assert strict(gradtui(state, "show", "deep-sigmoid", "--json").stdout.encode())["settings"]["activation"] == "sigmoid"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_the_shell(state: Path, shell: str) -> None:
    result = gradtui(state, "completion", shell)
    assert result.returncode == 0
    assert "_GRADTUI_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gradtui run deep-s", {"plain,deep-sigmoid"}),
        ("gradtui run mi", {"file,mi"}),
        ("gradtui run x --script le", {"file,le"}),
        ("gradtui run x --run-dir ~/ru", {"dir,~/ru"}),
        ("gradtui run x --fail-on non", {"plain,non-finite"}),
        ("gradtui run x --set clip=n", {"plain,clip=norm"}),
        ("gradtui doctor min", {"plain,mine-20260102-030405"}),
        ("gradtui attach min", {"plain,mine-20260102-030405"}),
        ("gradtui attach /da", {"dir,/da"}),
        ("gradtui comp", {"plain,compare", "plain,completion"}),
    ],
)
def test_completion_knows_scenarios_runs_warnings_settings_and_files(state: Path, typed: str, offered: set[str]) -> None:
    run = state / "gradtui" / "runs" / "mine-20260102-030405"
    run.mkdir(parents=True)
    (run / "events.jsonl").touch()
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_GRADTUI_COMPLETE": "bash_complete"}
    result = gradtui(state, **words)
    assert set(result.stdout.splitlines()) == offered


EVIL = "\x1b[31m\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "deep-sigmiod", "--headless"], 4, "did you mean deep-sigmoid?"),
        (["show", "deep-sigmiod"], 4, "did you mean deep-sigmoid?"),
        (["run", "nothing-like-it.toml", "--headless"], 4, "no such file"),
        (["run", f"{EVIL}deep", "--headless"], 4, "\\x1b[31m\\x1b]0;owned\\x07deep: no such scenario"),
        (["run", f"/tmp/{EVIL}.toml", "--headless"], 4, "\\x1b"),
        (["run", "x" * 5000 + ".toml", "--headless"], 2, "File name too long"),
        (["run", "deep-sigmoid", "--headless", "--set", "batchnorm=on"], 2, "did you mean batch_norm?"),
        (["run", "deep-sigmoid", "--headless", "--set", f"{EVIL}=on"], 2, "\\x1b[31m"),
        (["run", "deep-sigmoid", "--headless", "--set", "clip=nrm"], 2, "did you mean norm?"),
        (["run", "deep-sigmoid", "--headless", "--set", "lr=-1"], 2, "lr is '-1'; it is a number from 0"),
        (["run", "deep-sigmoid", "--headless", "--set", "lr=nan"], 2, "lr is 'nan'; it is a number from 0"),
        (["run", "deep-sigmoid", "--headless", "--set", "lr"], 2, "KEY=VALUE"),
        (["run", "deep-sigmoid", "--headless", "--at", "200:batchnorm=on"], 2, "did you mean batch_norm?"),
        (["run", "deep-sigmoid", "--headless", "--at", "200:lr=1e99"], 2, "it is a number from 0"),
        (["run", "deep-sigmoid", "--headless", "--at", "soon:lr=1"], 2, "STEP:KEY=VALUE"),
        (["run", "deep-sigmoid", "--headless", "--at", "-1:lr=1"], 2, "STEP:KEY=VALUE"),
        (["export", "x"], 2, "Missing option '--to'. Choose from: csv, parquet, tensorboard, svg"),
        (["run", "deep-sigmoid", "--headless", "--steps", "100", "--at", "100:lr=1"], 2, "--at: 100:lr=1.0: comes too late"),
        (["run", "deep-sigmoid", "--headless", "--at", "9" * 5000 + ":lr=1"], 2, "STEP:KEY=VALUE"),
        (["run", "deep-sigmoid", "--headless", "--steps", "0"], 2, "'--steps': 0"),
        (["run", "deep-sigmoid", "--headless", "--steps", "9" * 30], 2, "'--steps': 9999"),
        (["run", "deep-sigmoid", "--headless", "--every", "9" * 30], 2, "'--every': 9999"),
        (["doctor", "deep-sigmoid", "--steps", "9" * 30], 2, "'--steps': 9999"),
        (["run", "x" * 5000, "--headless"], 4, "no such scenario"),
        (["run", "deep-sigmoid", "--headless", "--every", "0"], 2, "'--every': 0"),
        (["run", "deep-sigmoid", "--headless", "--rate", "0"], 2, "0 is not a number above 0"),
        (["run", "deep-sigmoid", "--headless", "--rate", "nan"], 2, "nan is not a number above 0"),
        (["run", "deep-sigmoid", "--headless", "--rate", "5", "--every", "5"], 2, "exclude each other"),
        (["run", "deep-sigmoid", "--headless", "--pace", "inf"], 2, "inf is not a number from 0"),
        (["run", "deep-sigmoid", "--headless", "--seed", "-1"], 2, "'--seed': -1"),
        (["run", "deep-sigmoid", "--headless", "--seed", "1e3"], 2, "'--seed': 1e3 is not a whole number from 0 to 9007199254740991"),
        (["run", "deep-sigmoid", "--headless", "--run-dir", ""], 2, "'--run-dir': it is empty; name a path"),
        (["report", "--html", ""], 2, "'--html': it is empty; name a path"),
        (["export", "--to", "csv", "--output", ""], 2, "'--output': it is empty; name a path"),
        (["run", "deep-sigmoid", "--headless", "--device", "tpu"], 2, "'auto', 'cpu', 'cuda'"),
        (["run", "deep-sigmoid", "--headless", "--fail-on", "vanished"], 2, ", ".join(CODES)),
        (["run", "deep-sigmoid", "--headless", "--script", "/nonexistent"], 2, "/nonexistent: cannot be read"),
        (["run", "deep-sigmoid", "--headless", "--run-dir", "/proc/nowhere"], 2, "/proc/nowhere: cannot be used"),
        (["run", "deep-sigmoid", "--json"], 2, "--json is for --headless"),
        (["run", "deep-sigmoid", "--fail-on", "any"], 2, "--fail-on is for --headless"),
        (["run", "deep-sigmoid", "--detach", "--headless"], 2, "exclude each other"),
        (["run", "deep-sigmoid"], 2, "use --headless"),
        (["attach", "--headless"], 4, "no runs yet"),
        (["attach", "nope", "--headless"], 4, "nope: no such run"),
        (["attach", "/", "--headless"], 4, "/: is not a run directory"),
        (["attach", "/", "--json"], 2, "--json is for --headless"),
        (["rnu"], 2, "No such command"),
        (["run"], 2, "Missing argument"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_bad_input_is_one_clear_line(state: Path, arguments: list[str], code: int, said: str) -> None:
    result = gradtui(state, *arguments)
    assert said in result.stderr
    assert result.returncode == code
    assert result.stderr.startswith("gradtui: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr
    assert result.stdout == ""
    assert not list(state.glob("gradtui/runs/*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "is not TOML"),
        (GOOD.replace("title", "titel"), "titel: unknown key; did you mean title?"),
        (GOOD.replace("steps = 20", 'steps = "many"'), "steps is 'many'; it is a whole number"),
        (GOOD.replace("steps = 20", "steps = " + "9" * 400), "steps is a number of 400 digits; it is a number under 9007199254740992"),
        (GOOD.replace("steps = 20", "steps = " + "9" * 5000), "is not TOML"),
        ("steps = " + "[" * 9000, "is not TOML"),
        (GOOD.replace('model = "mlp"', "model = {family = 'mlp'}"), 'model is a table; it is a text in quotes ("…")'),
        (GOOD.replace("width = 8", "width = [8]"), "settings.width is a list; it is a number, a text, or true or false"),
        (GOOD.replace("width = 8", "width = " + "9" * 400), "; it is a whole number from 1 to"),
        (GOOD.replace("steps = 20", 'try = ["batch_norm=on", 3]'), 'try has 3 in place 2; it is a text in quotes ("…")'),
        (GOOD.replace("steps = 20", "expect_not = 1979-05-27"), 'expect_not is a date or time; it is a list of texts (["…", "…"])'),
        (GOOD.replace("steps = 20", "settings = true").partition("[")[0], "settings is true; it is a table of its own ([settings])"),
        (
            "steps = 20",
            "a scenario needs title, shows, model, data; it has no title (what it is called), no shows (one line for the list), no",
        ),
        (GOOD.replace("steps = 20", "steps = 0"), "steps is 0; it is a number from 1"),
        (GOOD.replace('"mlp"', '"perceptron"'), "perceptron"),
        (GOOD.replace("depth", "dept"), "did you mean depth?"),
        (GOOD.replace("depth = 2", "depth = -2"), "depth is -2; it is a whole number from 1"),
        (GOOD.replace('title = "Mine"\n', ""), "it has no title (what it is called)\n"),
        ('"\\u001b[31m" = 1', "\\x1b[31m: unknown key"),
        ("\x00", "is not TOML"),
    ],
)
def test_a_bad_scenario_file_is_one_clear_line(state: Path, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    result = gradtui(state, "run", path, "--headless")
    assert said in result.stderr
    assert result.returncode == 2
    assert result.stderr.startswith(f"gradtui: {path}: ")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("at 10 toggle clip", "a line is"),
        ("at 10 set clip=nrm", "did you mean norm?"),
        ("expect vanished before 10", "no such warning"),
        ("expect vanishing around 10", "a line is"),
        ("expect vanishing before " + "9" * 5000, "a line is"),
        (f"at {'9' * 5000} set clip=norm", "a line is"),
        ("\x1b[31m", "\\x1b[31m"),
    ],
)
def test_a_bad_script_is_one_line_with_its_number(state: Path, tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "lesson.txt"
    path.write_text(f"# a lesson\n\n{line}  # here\n")
    result = gradtui(state, "run", "deep-sigmoid", "--headless", "--script", path)
    assert said in result.stderr
    assert result.returncode == 2
    assert result.stderr.startswith(f"gradtui: {path}:3: ")
    assert result.stderr.count("\n") == 1


def test_a_run_directory_that_cannot_be_used_is_one_clear_line(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    full = tmp_path / "full"
    full.mkdir()
    (full / "events.jsonl").write_text("")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    cases = {tmp_path / "file": "cannot be used", full: "already holds a run"}
    if os.getuid() == 0:
        os.chown(foreign, 65534, 65534)
        cases[foreign] = "belongs to another user"
    for where, said in cases.items():
        result = gradtui(state, "run", "deep-sigmoid", "--headless", "--run-dir", where)
        assert result.returncode == 2
        assert f"gradtui: {where}: {said}" in result.stderr
        assert result.stderr.count("\n") == 1


def test_the_lesson_of_deep_sigmoid_is_seen_and_printed_again_from_its_recording(state: Path, tmp_path: Path) -> None:
    """Vanishing opens before the cure and closes after it; attaching later prints the same bytes, to a pipe or a terminal."""
    lesson = tmp_path / "lesson.txt"
    lesson.write_text("expect vanishing before 200\nexpect no vanishing after 300\n")
    flags: list[str | Path] = [
        "--headless",
        "--json",
        "--steps",
        "400",
        "--at",
        "200:batch_norm=true",
        "--script",
        lesson,
        "--device",
        "cpu",
    ]
    result = gradtui(state, "run", "deep-sigmoid", *flags)
    assert (result.returncode, result.stderr.splitlines()[1:]) == (0, [])
    events = [strict(line.encode()) for line in result.stdout.splitlines()]
    edges = [(event["state"], event["step"]) for event in events if event["type"] == "warning" and event["code"] == "vanishing"]
    assert [edge for edge, _ in edges][:: len(edges) - 1] == ["opened", "closed"]
    assert edges[0][1] < 200 < edges[-1][1]
    assert events[-1] == {"type": "end", "reason": "finished", "step": 399, "error": "", "logged": {}}
    assert [event for event in events if event["type"] == "frame"][-1]["metrics"]["accuracy"] > 0.95
    assert [(e["toggle"], e["value"], e["step"]) for e in events if e["type"] == "applied"] == [("batch_norm", "on", 200)]
    assert len({toggle["key"] for toggle in events[0]["toggles"]}) == len(TOGGLES)

    again = gradtui(state, "attach", "--headless", "--json")
    assert (again.returncode, again.stdout) == (0, result.stdout)
    assert _on_a_terminal(state, "attach", "--headless", "--json") == result.stdout
    (run,) = [strict(line.encode()) for line in gradtui(state, "runs", "--json").stdout.splitlines()]
    assert (run["scenario"], run["state"], run["step"]) == ("deep-sigmoid", "finished", 399)
    assert run["run"] in gradtui(state, "runs").stdout


def _on_a_terminal(state: Path, *arguments: str) -> str:
    """What `gradtui` writes when standard output is a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL, env=environment(state)
    )
    os.close(slave)
    data = b""
    while True:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:  # Linux: everybody has closed the other end
            break
        if not piece:
            break
        data += piece
    os.close(master)
    assert process.wait() == 0
    return data.decode().replace("\r\n", "\n")


def test_fail_on_and_a_failed_expectation_exit_1_and_say_why(state: Path, tmp_path: Path) -> None:
    lesson = tmp_path / "lesson.txt"
    lesson.write_text("expect vanishing before 20\nexpect no non-finite after 0\n")
    flags: list[str | Path] = [
        "--headless",
        "--steps",
        "60",
        "--device",
        "cpu",
        "--fail-on",
        "non-finite",
        "--fail-on",
        "vanishing",
        "--script",
        lesson,
    ]
    result = gradtui(state, "run", "exploding-relu", *flags)
    assert result.returncode == 1
    reasons = result.stderr.splitlines()[1:]
    assert len(reasons) == 3
    assert "non-finite was open from step" in reasons[0]
    assert f"{lesson}:1: expect vanishing before 20: it was not open then" in reasons[1]
    assert f"{lesson}:2: expect no non-finite after 0: it was open from step" in reasons[2]


OWN_NETWORK = """
from torch import nn
def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


def test_a_file_whose_name_is_no_text_is_trained_and_listed(state: Path, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.toml")
    file.write_text('title = "mine"\nshows = "x"\nmodel = "mlp"\ndata = "digits"\n')
    assert gradtui(state, "run", file, "--headless", "--steps", "1", "--device", "cpu").returncode == 0
    assert "caf-udce9-" in gradtui(state, "runs").stdout


@pytest.mark.parametrize(
    ("prints", "said"), [("", " and without a word: is the disk full?"), ("print('hm', flush=True)", "; its output is in ")]
)
def test_a_trainer_that_just_ends_is_told_with_its_output_if_there_is_any(state: Path, tmp_path: Path, prints: str, said: str) -> None:
    (tmp_path / "own_network.py").write_text(f"import os\ndef make():\n    {prints}\n    os._exit(5)\n")
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "mine"\nshows = "x"\nmodel = "own_network:make"\ndata = "digits"\n')
    result = gradtui(state, "run", mine, "--headless", "--device", "cpu", PYTHONPATH=str(tmp_path))
    assert result.returncode == 3
    assert result.stderr.splitlines()[1].startswith(f"gradtui: the trainer ended with exit code 5{said}")


def test_a_scheduled_change_that_is_refused_is_no_success(state: Path, tmp_path: Path) -> None:
    (tmp_path / "own_network.py").write_text(OWN_NETWORK)
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "mine"\nshows = "x"\nmodel = "own_network:make"\ndata = "digits"\n')
    flags = ["--headless", "--steps", "4", "--device", "cpu", "--at", "2:norm_bypass=on"]
    result = gradtui(state, "run", mine, *flags, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("gradtui: step 2  norm_bypass=on: refused: norm_bypass: this network has no")


def test_a_scripts_change_that_comes_too_late_is_named_with_its_line(state: Path, tmp_path: Path) -> None:
    lesson = tmp_path / "lesson.txt"
    lesson.write_text("\nat 100 set lr=1\n")
    result = gradtui(state, "run", "deep-sigmoid", "--headless", "--steps", "100", "--at", "5:lr=1", "--script", lesson)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{lesson}:2: 100:lr=1.0: comes too late, the last step of 100 is 99" in result.stderr


def test_a_home_directory_that_the_shell_left_alone_is_one(state: Path, tmp_path: Path) -> None:
    flags = ["--headless", "--steps", "1", "--device", "cpu", "--run-dir=~/mine"]
    assert gradtui(state, "run", "deep-sigmoid", *flags, HOME=str(tmp_path)).returncode == 0
    assert (tmp_path / "mine" / "events.jsonl").is_file()


def test_a_warning_that_could_not_be_judged_is_named(state: Path) -> None:
    result = gradtui(state, "run", "deep-sigmoid", "--headless", "--steps", "20", "--device", "cpu", "--fail-on", "vanishing")
    assert result.returncode == 0
    said = "gradtui: 3 frames over 20 steps are too few to judge vanishing (needs 6 frames): that it was not open says nothing"
    assert result.stderr.splitlines()[1:] == [said]
    result = gradtui(state, "run", "healthy-mlp", "--headless", "--steps", "20", "--device", "cpu", "--fail-on", "any")
    assert result.returncode == 0
    (line,) = result.stderr.splitlines()[1:]
    assert line.startswith("gradtui: 3 frames over 20 steps are too few to judge divergence (needs 6 frames), ")
    assert ", vanishing (needs 6 frames), " in line
    result = gradtui(state, "run", "deep-sigmoid", "--headless", "--steps", "60", "--device", "cpu", "--fail-on", "vanishing")
    assert result.returncode == 1
    assert "too few" not in result.stderr


def test_a_warning_of_what_is_never_measured_is_named_where_it_was_asked_for(state: Path) -> None:
    """A critic's loss is no measure of progress: nobody can say that it diverges."""
    flags = ["--headless", "--steps", "60", "--device", "cpu", "--fail-on"]
    result = gradtui(state, "run", "wgan", *flags, "divergence")
    assert result.returncode == 0
    said = "gradtui: no frame held what divergence is judged by: that it was not open says nothing"
    assert result.stderr.splitlines()[1:] == [said]
    assert "is judged by" not in gradtui(state, "run", "wgan", *flags, "any").stderr


def test_a_setting_that_cures_it_exits_0_and_the_text_sums_up(state: Path, tmp_path: Path) -> None:
    flags: list[str | Path] = [
        "--headless",
        "--steps",
        "60",
        "--device",
        "cpu",
        "--fail-on",
        "non-finite",
        "--set",
        "clip=norm",
        "--run-dir",
        tmp_path / "run",
    ]
    result = gradtui(state, "run", "exploding-relu", *flags)
    assert result.returncode == 0
    assert "exploding-relu: finished" in result.stdout
    assert "delta at step 0" in result.stdout
    assert "delta at step 59" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    frames = [event for line in (tmp_path / "run/events.jsonl").read_bytes().splitlines() if isinstance(event := decode(line), Frame)]
    assert [frame.step for frame in frames] == [0, 10, 20, 30, 40, 50, 59]


def test_cuda_where_there_is_none_is_a_clear_error(state: Path) -> None:
    result = gradtui(state, "run", "deep-sigmoid", "--headless", "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 2
    assert "the trainer could not begin: device is cuda" in result.stderr
    assert "its output" not in result.stderr, "nothing is printed there"
    assert "Traceback" not in result.stderr + result.stdout


def test_a_scenario_file_of_ones_own_runs(state: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace('"Mine"', '"\\u001b[31mMine"'))
    result = gradtui(state, "run", tmp_path / "mine.toml", "--headless")
    assert (result.returncode, "mine: finished" in result.stdout) == (0, True)
    assert "\\x1b[31mMine" in gradtui(state, "show", tmp_path / "mine.toml").stdout


def test_output_that_cannot_be_written_is_one_line(state: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*COMMAND, "list"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(state))
    assert result.returncode == 2
    assert result.stderr == "gradtui: standard output: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(state: Path, closed: str) -> None:
    command = f"{' '.join(COMMAND)} list {closed}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment(state))
    assert (result.returncode, result.stderr) == (0, "")
    assert ("deep-sigmoid" in result.stdout) == (">&-" not in closed)


@pytest.mark.parametrize("name", ["mine", "./mine"])
def test_a_file_whose_ending_was_left_out_is_asked_for(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(GOOD)
    result = gradtui(state, "run", name, "--headless")
    assert (result.returncode, result.stderr.count("\n")) == (4, 1)
    assert "did you mean mine.toml?" in result.stderr


@pytest.mark.parametrize("words", [["list", "--json"], ["run", "--help"], ["--help"], ["--version"]], ids=" ".join)
def test_a_reader_that_has_left_ends_it_quietly(state: Path, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*COMMAND, *words], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment(state))
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_terminal_without_unicode_gets_no_traceback(state: Path) -> None:
    result = gradtui(state, "list", PYTHONIOENCODING="latin-1")
    assert result.returncode == 0
    assert "? falls by" in result.stdout


def test_python_m_and_the_console_script_are_one() -> None:
    script = Path(sys.executable).parent / "gradtui"
    if not script.exists():
        pytest.skip("not installed with its console script")
    assert subprocess.run([script, "--version"], capture_output=True, text=True).stdout == f"gradtui, version {__version__}\n"


def test_what_lies_after_the_end_was_not_seen_and_does_not_hold(state: Path, tmp_path: Path) -> None:
    """Catches a check that is green because it was never made."""
    lesson = tmp_path / "lesson.txt"
    lesson.write_text("expect no vanishing after 300\nexpect no non-finite before 500\nexpect no non-finite before 30\n")
    result = gradtui(state, "run", "healthy-mlp", "--headless", "--steps", "30", "--device", "cpu", "--script", lesson)
    assert result.returncode == 1
    assert [line.removeprefix(f"gradtui: {lesson}:") for line in result.stderr.splitlines()[1:]] == [
        "1: expect no vanishing after 300: the training ended before that, at step 29",
        "2: expect no non-finite before 500: the training ended before that, at step 29",
    ]


def test_data_is_utf_8_whatever_the_terminal(state: Path) -> None:
    command = [sys.executable, "-m", "gradtui", "list", "--json"]
    lines = subprocess.run(command, env=environment(state, PYTHONIOENCODING="latin-1"), capture_output=True, check=True).stdout
    assert "δ" in lines.decode("utf-8")
