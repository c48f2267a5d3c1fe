"""Scenario files: the presets are sound, and every mistake in a user's own file gets one line that names it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gradtui import describe
from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.errors import NoSuchScenarioError, ScenarioError
from gradtui.lab.scenario import GROUPS, Scenario, catalog, load

SOUND = 'title = "T"\nshows = "S"\nmodel = "mlp"\ndata = "digits"\n'


def test_every_preset_explains_itself_and_fits_the_picker() -> None:
    presets = catalog()
    assert {"deep-sigmoid", "exploding-relu", "plain-resnet"} <= {preset.name for preset in presets}
    for preset in presets:
        assert preset.group in GROUPS, preset.name
        assert preset.symptom, preset.name
        assert preset.cause, preset.name
        assert preset.paper or preset.group == "Healthy", preset.name
        assert len(preset.shows) <= 110, preset.name


def test_what_to_try_first_sets_nothing_twice() -> None:
    """`show` makes one command of all the settings that it begins with."""
    for scenario in catalog():
        keys = [text.partition("=")[0] for text in describe.best(scenario)]
        assert len(keys) == len(set(keys)), scenario.name


def test_presets_come_in_the_order_of_their_groups() -> None:
    ranks = [GROUPS.index(preset.group) for preset in catalog()]
    assert ranks == sorted(ranks)


def test_settings_of_a_preset_override_the_defaults_and_changes_override_both() -> None:
    scenario = load("deep-sigmoid")
    assert toggles.initial(scenario)["lr"] == 0.02
    assert toggles.initial(scenario, {"lr": 0.5})["lr"] == 0.5
    assert toggles.initial(scenario)["clip"] == "off"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(NoSuchScenarioError, match=r"^deep-sigmoyd: no such scenario; did you mean deep-sigmoid\?$"):
        load("deep-sigmoyd")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSuchScenarioError, match="is no file"):
        load(str(tmp_path))
    with pytest.raises(NoSuchScenarioError, match=r"^nowhere/mine\.toml: no such file"):
        load("nowhere/mine.toml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SOUND + "stepz = 5", "stepz: unknown key; did you mean steps?"),
        (SOUND + 'steps = "many"', "steps is 'many'; it is a whole number"),
        (SOUND + "steps = 0", "steps is 0; it is a number from 1 up"),
        (SOUND + "pace = -1", "pace is -1; it is a number from 0 up"),
        (SOUND + "steps = = 3", "is not TOML: Invalid value (at line 5, column 9)"),
        (
            'shows = "S"\nmodel = "mlp"\ndata = "digits"\n',
            "a scenario needs title, shows, model, data; it has no title (what it is called)",
        ),
        (SOUND.replace("mlp", "mpl"), "model is 'mpl'; did you mean mlp?"),
        (SOUND.replace("digits", "digitz"), "did you mean digits?"),
        (SOUND + "[settings]\nlr = -1", "lr is -1; it is a number from 0 to 1e+07"),
        (SOUND + "[settings]\nlr = true", "lr is true; it is a number from 0 to 1e+07"),
        (SOUND + '[settings]\nactivation = "rely"', "activation is 'rely'; did you mean relu?"),
        (SOUND + "[settings]\nbatchnorm = true", "batchnorm: no such toggle; did you mean batch_norm?"),
        (SOUND + "[settings]\ndepth = 2.5", "depth is 2.5; it is a whole number from 1 to 1000"),
        (SOUND + "[options]\nn = 3", "options.n: unknown option of mlp"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_key(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as error:
        load(str(file))
    assert str(error.value).startswith(f"{file}: ")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_text_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b'title = "\xff"')
    with pytest.raises(ScenarioError, match=r"mine\.toml: is not UTF-8 text"):
        load(str(file))


def test_a_file_may_begin_with_a_byte_order_mark_as_some_editors_have_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(SOUND, encoding="utf-8-sig")
    assert load(str(file)).title == "T"


def test_all_keys_that_a_file_lacks_are_named_at_once() -> None:
    with pytest.raises(ScenarioError) as error:
        scenarios.check({"model": "mlp", "steps": 3}, "mine.toml")
    said = "it has no title (what it is called), no shows (one line for the list), no data (a data set that the model takes, or "
    assert str(error.value) == f"mine.toml: a scenario needs title, shows, model, data; {said}package.module:function)"
    needed = [field.encode_name for field in msgspec.structs.fields(Scenario) if field.required]
    assert list(scenarios.NEEDED) == needed


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("model", None, 'model is null; it is a text in quotes ("…")'),
        ("steps", True, "steps is true; it is a whole number"),
        ("steps", 2**53, "steps is 9007199254740992; it is a number under 9007199254740992"),
        ("pace", float("nan"), "pace is nan; it is a number from 0 up"),
        ("pace", float("inf"), "pace is inf; it is a number under 9007199254740992"),
        ("settings", {"lr": 10**400}, "lr is 1000"),
        ("options", {"bias": {}}, "options.bias is a table; it is a number, a text, or true or false"),
    ],
)
def test_a_value_of_a_wrong_kind_is_called_what_its_writer_calls_it(key: str, value: object, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenarios.check({"title": "T", "shows": "S", "model": "mlp", "data": "digits", key: value}, "mine.toml")
    assert str(error.value).startswith(f"mine.toml: {line}")


def test_a_rescue_is_what_at_takes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SOUND + 'rescue = ["50:clip=norm"]', encoding="utf-8")
    assert load(str(path)).rescue == ["50:clip=norm"]
    path.write_text(SOUND + 'rescue = ["clip=norm"]', encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"mine\.toml: rescue: 'clip=norm'; it is STEP:KEY=VALUE"):
        load(str(path))
