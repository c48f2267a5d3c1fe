"""The import law, seen in fresh interpreters: what answers at once and what only reads loads neither torch nor Textual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gradtui
from gradtui.stream.events import End, encode
from tests.command import environment
from tests.test_headless import frame, hello

ROOT = Path(gradtui.__file__).parent


def modules(code: str, state: Path) -> set[str]:
    """What a fresh interpreter has imported once it has run `code`."""
    probe = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint('MODULES', *sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=environment(state), check=True)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("MODULES "))
    return set(line.split()[1:])


def heavy(found: set[str]) -> set[str]:
    libraries = {"torch", "textual", "numpy", "plotext", "lightning", "pytorch_lightning", "transformers", "accelerate"}
    return {name.partition(".")[0] for name in found} & libraries


def ours(found: set[str]) -> set[str]:
    """The rooms and top-level modules of gradtui among `found`."""
    return {name.split(".")[1] for name in found if name.startswith("gradtui.")}


def importing(room: str) -> str:
    """Code that imports every module of a room."""
    names = ["gradtui." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / room).rglob("*.py"))]
    return "import " + ", ".join(name.removesuffix(".__init__") for name in names)


def test_importing_gradtui_imports_nothing_else(tmp_path: Path) -> None:
    found = modules("import gradtui", tmp_path)
    assert heavy(found) == set()
    assert ours(found) == set()


@pytest.mark.parametrize(
    "words",
    ["--version", "--help", "run --help", "completion bash", "list", "show deep-sigmoid", "explain vanishing", "runs", "run nothing"],
)
def test_what_only_answers_is_light(tmp_path: Path, words: str) -> None:
    found = modules(f"sys.argv = ['gradtui', *{words.split()!r}]; from gradtui.cli import main; main()", tmp_path)
    assert heavy(found) == set()


@pytest.mark.parametrize("flags", [["--json"], []])
def test_reading_a_recording_needs_neither_torch_nor_textual(tmp_path: Path, flags: list[str]) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"".join(map(encode, [hello(), frame(0), End(reason="finished", step=0)])))
    for command in ("attach", "replay"):
        words = [command, str(tmp_path), "--headless", *flags]
        found = modules(f"sys.argv = ['gradtui', *{words!r}]; from gradtui.cli import main; main()", tmp_path)
        assert heavy(found) <= {"plotext", "numpy"}
        if flags:
            assert heavy(found) == set()


@pytest.mark.parametrize("to", ["csv", "parquet", "tensorboard", "svg"])
def test_exporting_needs_neither_torch_nor_textual(tmp_path: Path, to: str) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"".join(map(encode, [hello(), frame(0), frame(1), End(reason="finished", step=1)])))
    words = ["export", str(tmp_path), "--to", to, "--output", str(tmp_path / "out")]
    found = modules(f"sys.argv = ['gradtui', *{words!r}]; from gradtui.cli import main; main()", tmp_path)
    assert heavy(found) <= ({"numpy"} if to in ("parquet", "tensorboard") else set())
    assert "tensorflow" not in found


def test_version_imports_only_the_command_line(tmp_path: Path) -> None:
    found = modules("sys.argv = ['gradtui', '--version']; from gradtui.cli import main; main()", tmp_path)
    assert ours(found) == {"cli", "cli_flags", "cli_process", "cli_types", "exits"}
    assert "msgspec" not in found


@pytest.mark.parametrize(
    ("room", "allowed", "forbidden"),
    [
        ("stream", {"stream"}, {"torch", "textual"}),
        ("diagnose", {"diagnose", "stream"}, {"torch", "textual"}),
        ("ui", {"ui", "diagnose", "stream"}, {"torch"}),
        ("export", {"export", "diagnose", "stream", "plots", "report_svg", "report_text"}, {"torch", "textual"}),
        ("probe", {"probe", "stream"}, {"textual"}),
        ("watching", {"watching", "probe", "stream"}, {"textual", "lightning", "pytorch_lightning", "transformers", "accelerate"}),
        ("adapters", {"adapters", "watching", "probe", "stream"}, {"textual"}),
        ("lab", {"lab", "probe", "stream", "diagnose"}, {"textual"}),  # the doctor reads what it trains
    ],
)
def test_rooms_import_only_what_the_law_allows(tmp_path: Path, room: str, allowed: set[str], forbidden: set[str]) -> None:
    found = modules(importing(room), tmp_path)
    assert ours(found) <= allowed
    assert heavy(found) & forbidden == set()


def test_an_adapter_imports_its_own_library_only(tmp_path: Path) -> None:
    assert heavy(modules("import gradtui.adapters.transformers", tmp_path)) & {"lightning", "pytorch_lightning"} == set()
    assert "transformers" not in heavy(modules("import gradtui.adapters, gradtui.adapters.session", tmp_path))


def test_the_trainer_judges_nothing(tmp_path: Path) -> None:
    assert "diagnose" not in ours(modules("import gradtui.lab.trainer, gradtui.lab.loop", tmp_path))


def test_the_doctor_leaves_torch_to_its_workers(tmp_path: Path) -> None:
    assert heavy(modules("import gradtui.cli_doctor", tmp_path)) == set()


def test_the_trainer_watches_its_lifeline_before_it_imports_torch(tmp_path: Path) -> None:
    assert heavy(modules("import gradtui.lab.trainer, gradtui.launch", tmp_path)) == set()


def test_no_file_names_a_package_index() -> None:
    """Installing goes through whatever index the reader's own pip is set up with."""
    checkout = ROOT.parent
    if not (checkout / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=checkout, capture_output=True, text=True, check=True
    )
    hosts = ["pypi" + ".org", "python" + "hosted", "download." + "pytorch", "index" + "-url", "registry." + "npm", "deb." + "debian"]
    for name in listed.stdout.splitlines():
        try:
            text = (checkout / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        assert not [host for host in hosts if host in text], name
