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
    rescue: list[str] = []
    """What helps while it trains, as `--at` takes it; none: what helps best from the start, half-way, which is often in vain."""
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
            raise NoSuchScenarioError(f"{name_or_path}: {found}; {_file_beside(path) or 'gradtui list names the presets'}")
        return read(path)
    names = sorted(path.stem for path in directory().glob("*.toml"))
    if name_or_path in names:
        return read(directory() / f"{name_or_path}.toml")
    near = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.4)
    hint = _file_beside(path) or (f"did you mean {near[0]}?" if near else "gradtui list names them")
    raise NoSuchScenarioError(f"{name_or_path}: no such scenario; {hint}")


def _file_beside(path: Path) -> str:
    """The question whether a file was meant that is named like `path` but for its ending; empty: there is none."""
    file = Path(f"{path}.toml")
    try:
        return f"did you mean {file}?" if path.suffix != ".toml" and file.is_file() else ""
    except OSError:  # longer than a name can be
        return ""


def read(path: Path) -> Scenario:
    """The scenario in the file at `path`. Raises ScenarioError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # beside TOML's own: a number of thousands of digits, brackets without end
        raise ScenarioError(f"{path}: is not TOML: {error}") from None
    name = path.stem.encode("utf-8", "backslashreplace").decode()  # a file's name need not be text, a recording's words are
    return check({"name": name} | table, str(path))


def check(table: dict[str, Any], origin: str) -> Scenario:
    """The scenario in a decoded TOML table; `origin` opens the error's line. Raises ScenarioError."""
    _check_keys(table, origin)
    _check_types(table, origin)
    scenario = msgspec.convert(table, Scenario)
    _check_numbers(scenario, origin)
    try:
        families.check(scenario.model, scenario.data, scenario.options)
        files.require(scenario.data)
        toggles.initial(scenario)
    except SettingError as error:
        raise ScenarioError(f"{origin}: {error}") from None
    _check_rescue(scenario, origin)
    return scenario


def _check_rescue(scenario: Scenario, origin: str) -> None:
    try:
        for setting in scenario.rescue:
            toggles.parse_scheduled(scenario, setting)
    except SettingError as error:
        raise ScenarioError(f"{origin}: rescue: {error}") from None


NEEDED = {
    "title": "what it is called",
    "shows": "one line for the list",
    "model": f"{', '.join(families.FAMILIES)}, or package.module:function",
    "data": "a data set that the model takes, or package.module:function",
}
"""The keys without which a file is no scenario, and what each says."""


def _check_keys(table: dict[str, Any], origin: str) -> None:
    known = [field.encode_name for field in msgspec.structs.fields(Scenario)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            right = f"did you mean {near[0]}?" if near else f"a scenario has {', '.join(known)}"
            raise ScenarioError(f"{origin}: {key}: unknown key; {right}")
    missing = [f"{key} ({what})" for key, what in NEEDED.items() if key not in table]
    if missing:
        raise ScenarioError(f"{origin}: a scenario needs {', '.join(NEEDED)}; it has no {', no '.join(missing)}")


DIGITS = 20
"""A whole number of more is not shown whole."""
MOST = 2**53
"""Whole numbers beyond it are not exact in JSON."""

KINDS: dict[Any, str] = {
    str: 'a text in quotes ("…")',
    int: "a whole number",
    float: "a number",
    list[str]: 'a list of texts (["…", "…"])',
    dict[str, Value]: "a table of its own ([{key}])",
}
"""What each type is called by who writes TOML."""


def _check_types(table: dict[str, Any], origin: str) -> None:
    for field in msgspec.structs.fields(Scenario):
        key, value = field.encode_name, table.get(field.encode_name)
        if key in table and not _is(value, field.type):
            raise ScenarioError(f"{origin}: {_wrong(key, value, field.type)}")


def _wrong(key: str, value: object, type: Any) -> str:
    """What is wrong with the value of `key`, or with what it holds."""
    if isinstance(value, list) and type == list[str]:
        place, item = next((place, item) for place, item in enumerate(value, 1) if not isinstance(item, str))
        return f"{key} has {_shown(item)} in place {place}; it is {KINDS[str]}"
    if isinstance(value, dict) and type == dict[str, Value]:
        inner, item = next((inner, item) for inner, item in value.items() if not _is(item, Value))
        return f"{key}.{inner} is {_shown(item)}; it is a number, a text, or true or false"
    return f"{key} is {_shown(value)}; it is {KINDS[type].format(key=key)}"


def _is(value: object, type: Any) -> bool:
    try:
        msgspec.convert(value, type)
    except msgspec.ValidationError:
        return False
    return True


def _shown(value: object) -> str:
    """What was found, as TOML calls it."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**DIGITS:
        return f"a number of {len(str(abs(value)))} digits"
    if isinstance(value, float):
        return f"{value:g}"
    if value is None:  # a recording's scenario is JSON
        return "null"
    return repr(value) if isinstance(value, (str, int)) else "a date or time"


def _check_numbers(scenario: Scenario, origin: str) -> None:
    for key, value, least in (
        ("steps", scenario.steps, 1),
        ("every", scenario.every, 1),
        ("pace", scenario.pace, 0),
        ("seed", scenario.seed, 0),
    ):
        if not least <= value < MOST:
            right = f"from {least} up" if value < MOST or value != value else f"under {MOST}"
            raise ScenarioError(f"{origin}: {key} is {_shown(value)}; it is a number {right}")
