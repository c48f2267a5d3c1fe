"""Scenarios: preset trainings, one TOML file each, read into a typed Scenario. Imports no torch: the CLI reads them too.

A scenario names a model family, a data set and the toggles' initial values; everything else in it is for people: what
it shows, why it happens, what to try and what not to expect of it. A user's own file is read by the same code.
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from gradtui.lab import families, files, toggles
from gradtui.lab.errors import NoSuchScenarioError, ScenarioError, SettingError
from gradtui.stream.events import Value

PACKAGED = Path(__file__).parent.parent / "scenarios"
CHECKOUT = Path(__file__).parent.parent.parent / "scenarios"


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"try_": "try"}):
    """A preset training, as its TOML file says it."""

    name: str = ""
    """The file's name without its ending."""
    title: str
    shows: str
    """One line for the picker."""
    group: str = "Your own"
    """What it teaches; the picker and `gradtui list` group by it."""
    symptom: str = ""
    cause: str = ""
    try_: list[str] = []
    """What helps, best first."""
    expect_not: list[str] = []
    """What does not help, and is often believed to."""
    paper: str = ""
    model: str
    """A model family of the lab."""
    data: str
    options: dict[str, Value] = {}
    """What the model family takes besides the toggles."""
    settings: dict[str, Value] = {}
    """The toggles' initial values; a toggle not named keeps its default."""
    steps: int = 500
    every: int = 10
    """Steps from frame to frame when nobody watches."""
    pace: float = 60
    """Steps a second on the screen, so that an eye can follow; 0: as fast as it goes."""
    seed: int = 0


def directory() -> Path:
    """Where the presets are: beside the package's code in a wheel, at the top of a checkout."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


@cache
def catalog() -> tuple[Scenario, ...]:
    """Every preset, in the order of their groups in GROUPS and then by name."""
    presets = [read(path) for path in sorted(directory().glob("*.toml"))]
    return tuple(sorted(presets, key=lambda s: (_rank(s.group), s.group, s.name)))


GROUPS = (
    "Vanishing",
    "Exploding",
    "Initialisation",
    "Activations",
    "Normalisation",
    "Depth",
    "Transformers",
    "Recurrence",
    "Optimizers",
    "Precision",
    "GANs",
    "Healthy",
)


def _rank(group: str) -> int:
    return GROUPS.index(group) if group in GROUPS else len(GROUPS)


def load(name_or_path: str) -> Scenario:
    """The preset of that name, or the scenario in that TOML file.

    Raises NoSuchScenarioError when there is neither, ScenarioError when the file is wrong.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if not path.is_file():
            found = "is no file" if path.exists() else "no such file"
            raise NoSuchScenarioError(f"{name_or_path}: {found}; gradtui list names the presets")
        return read(path)
    names = sorted(path.stem for path in directory().glob("*.toml"))
    if name_or_path in names:
        return read(directory() / f"{name_or_path}.toml")
    near = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "gradtui list names them"
    raise NoSuchScenarioError(f"{name_or_path}: no such scenario; {hint}")


def read(path: Path) -> Scenario:
    """The scenario in the file at `path`. Raises ScenarioError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: is not TOML: {error}") from None
    return check({"name": path.stem} | table, str(path))


def check(table: dict[str, Any], origin: str) -> Scenario:
    """The scenario in a decoded TOML table; `origin` opens the error's line. Raises ScenarioError."""
    _check_keys(table, origin)
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{origin}: {_plain(str(error))}") from None
    _check_numbers(scenario, origin)
    try:
        families.check(scenario.model, scenario.data, scenario.options)
        files.require(scenario.data)
        toggles.initial(scenario)
    except SettingError as error:
        raise ScenarioError(f"{origin}: {error}") from None
    return scenario


def _check_keys(table: dict[str, Any], origin: str) -> None:
    known = [field.encode_name for field in msgspec.structs.fields(Scenario)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            right = f"did you mean {near[0]}?" if near else f"a scenario has {', '.join(known)}"
            raise ScenarioError(f"{origin}: {key}: unknown key; {right}")


def _check_numbers(scenario: Scenario, origin: str) -> None:
    for key, value, least in (
        ("steps", scenario.steps, 1),
        ("every", scenario.every, 1),
        ("pace", scenario.pace, 0),
        ("seed", scenario.seed, 0),
    ):
        if not least <= value < 2**53:
            raise ScenarioError(f"{origin}: {key} is {value:g}; it is a number from {least} up")


def _plain(message: str) -> str:
    """msgspec's sentence with the key first: `settings.lr: expected …`."""
    sentence, _, where = message.partition(" - at `$.")
    key = where.rstrip("`").replace("`", "")
    return f"{key}: {sentence[0].lower()}{sentence[1:]}" if key else sentence[0].lower() + sentence[1:]
