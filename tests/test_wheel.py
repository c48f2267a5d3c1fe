"""The wheel is whole: installed elsewhere, it lists every scenario and trains one, away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gradtui
from gradtui.lab.scenario import CHECKOUT, catalog
from tests.command import environment
from tests.stream.test_events import strict

ROOT = Path(gradtui.__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CHECKOUT.is_dir():
        pytest.skip("not a checkout")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = out.glob("*.whl")
    return path


def test_it_holds_what_is_needed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"gradtui", f"gradtui-{gradtui.__version__}.dist-info"}
    source = {path.relative_to(CHECKOUT) for path in CHECKOUT.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert {f"gradtui/scenarios/{path}" for path in source} <= set(names)
    for needed in (
        "gradtui/py.typed",
        "gradtui/ui/app.tcss",
        "gradtui/lab/data/digits.u8.gz",
        "gradtui/lab/data/ATTRIBUTION.md",
        "gradtui/diagnose/pages/vanishing.toml",
    ):
        assert needed in names
    licences = [name for name in names if ".dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} == {"LICENSE", "ATTRIBUTION.md"}


def test_installed_elsewhere_it_lists_and_trains(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    env = environment(tmp_path, PYTHONPATH=str(target))

    def installed(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-P", "-m", "gradtui", *words], capture_output=True, text=True, env=env, cwd=tmp_path)

    where = subprocess.run([sys.executable, "-P", "-c", "import gradtui; print(gradtui.__file__)"], capture_output=True, text=True, env=env)
    assert where.stdout.startswith(str(target))
    listed = installed("list", "--json")
    assert [strict(line.encode())["name"] for line in listed.stdout.splitlines()] == [scenario.name for scenario in catalog()]
    trained = installed("run", "deep-sigmoid", "--headless", "--json", "--steps", "5", "--device", "cpu")
    assert (trained.returncode, strict(trained.stdout.splitlines()[-1].encode())["reason"]) == (0, "finished")
