"""Settings are checked before any trainer starts: values, ranges, and where a toggle applies."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from gradtui.lab import toggles
from gradtui.lab.declarations import TOGGLES
from gradtui.lab.errors import SettingError
from gradtui.lab.scenario import load
from gradtui.lab.toggles import Scheduled

SCENARIO = load("deep-sigmoid")


def test_true_and_false_are_on_and_off() -> None:
    assert toggles.parse_setting(SCENARIO, "batch_norm=true") == ("batch_norm", "on")
    assert toggles.check(SCENARIO, "batch_norm", False) == "off"


def test_a_value_that_is_neither_is_told_as_the_file_has_it() -> None:
    with pytest.raises(SettingError, match="depth is true; it is a whole number from 1"):
        toggles.check(SCENARIO, "depth", True)


def test_a_scheduled_setting_has_its_step() -> None:
    assert toggles.parse_scheduled(SCENARIO, "200:lr=3e-3") == Scheduled(200, "lr", 0.003)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("batch_norm", "it is KEY=VALUE"),
        ("=3", "it is KEY=VALUE"),
        ("cilp=norm", "did you mean clip?"),
        ("clip=nrom", "did you mean norm?"),
        ("lr=fast", "it is a number from 0"),
        ("lr=nan", "it is a number from 0"),
        ("lr=-0.1", "it is a number from 0"),
        ("clip_threshold=0", "it is a number from 1e-12"),
        ("depth=0", "it is a whole number from 1"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_is_right(text: str, line: str) -> None:
    with pytest.raises(SettingError) as error:
        toggles.parse_setting(SCENARIO, text)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["batch_norm=on", "-5:batch_norm=on", "1.5:batch_norm=on", ":batch_norm=on", "x:batch_norm=on"])
def test_a_schedule_needs_a_step(text: str) -> None:
    with pytest.raises(SettingError, match="STEP:KEY=VALUE"):
        toggles.parse_scheduled(SCENARIO, text)


def test_a_toggle_that_does_not_apply_says_why_beforehand_and_is_refused() -> None:
    resnet = load("plain-resnet")
    offered = {toggle.key: toggle for toggle in toggles.offered(resnet, toggles.initial(resnet))}
    assert not offered["depth"].applies
    assert offered["depth"].reason
    assert offered["skip"].applies
    with pytest.raises(SettingError, match="depth: does not apply to plain-resnet: "):
        toggles.check(resnet, "depth", 4)
    assert "depth" not in toggles.initial(resnet)


def test_what_is_offered_stands_as_the_settings_say() -> None:
    settings = toggles.initial(SCENARIO, {"clip": "value"})
    offered = {toggle.key: toggle for toggle in toggles.offered(SCENARIO, settings)}
    assert offered["clip"].value == "value"
    assert offered["clip"].choices == ["off", "norm", "value"]
    assert offered["lr"].kind == "number"
    assert not offered["width"].live


def test_declarations_are_sound() -> None:
    keys = [toggle.key for toggle in TOGGLES]
    hotkeys = [toggle.hotkey for toggle in TOGGLES if toggle.hotkey]
    assert len(set(keys)) == len(keys)
    assert len(set(hotkeys)) == len(hotkeys)
    for toggle in TOGGLES:
        assert toggle.check(toggle.default) == toggle.default
        assert toggle.about.endswith(".")
        assert dataclasses.replace(toggle).range
        msgspec.json.encode(toggle.default)
