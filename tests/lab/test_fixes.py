"""What the doctor tries: everything that may cure, nothing twice, and no new toggle forgotten."""

from __future__ import annotations

import pytest

from gradtui.lab import fixes, toggles
from gradtui.lab.declarations import TOGGLES
from gradtui.lab.fixes import Fix
from gradtui.lab.scenario import catalog, load
from gradtui.stream.events import Value


def tried(name: str, **changes: Value) -> list[Fix]:
    scenario = load(name)
    return fixes.candidates(scenario, toggles.initial(scenario, changes))


def test_every_toggle_that_acts_while_it_trains_is_tried_or_left_out_by_name() -> None:
    numbers = {toggle.key for toggle in TOGGLES if toggle.live and not toggle.choices}
    assert numbers == set(fixes.NUMBERS) | set(fixes.LEFT_OUT)


@pytest.mark.parametrize("scenario", catalog(), ids=lambda scenario: scenario.name)
def test_each_fix_is_one_that_the_scenario_takes_and_changes_something_else(scenario: object) -> None:
    name = scenario.name  # type: ignore[attr-defined]
    settings = toggles.initial(load(name))
    effects = [frozenset((settings | fix).items()) for fix in tried(name)]
    assert len(set(effects) | {frozenset(settings.items())}) == len(effects) + 1
    assert all(toggles.check(load(name), key, value) == value for fix in tried(name) for key, value in fix.items())
    assert not any(set(fix) & {"depth", "width", "batch", "data", "pace"} for fix in tried(name))


def test_every_other_choice_is_tried() -> None:
    found = tried("deep-sigmoid")
    for key, choices in {"activation": {"tanh", "relu", "elu"}, "batch_norm": {"on", "no_affine"}, "skip": {"plain", "scaled"}}.items():
        assert choices <= {fix[key] for fix in found if list(fix) == [key]}
    assert {"lr": 0.2} in found
    assert {"lr": 0.002} in found
    assert {"l2": 0.001} in found
    assert {"clip": "norm"} in found


def test_what_is_a_disease_itself_is_not_tried() -> None:
    found = tried("deep-sigmoid")
    assert not [fix for fix in found if fix.get("init") in ("zeros", "constant") or fix.get("activation") == "identity"]
    assert not [fix for fix in found if "precision" in fix or "loss_scale" in fix]  # it is in fp32
    assert {"precision": "bf16"} in tried("half-precision")
    assert {"loss_scale": 256.0} in tried("half-precision")


def test_what_stands_already_is_not_tried_and_its_undoing_is() -> None:
    found = tried("deep-sigmoid", clip="norm", clip_threshold=1.0, l2=0.001)
    assert {"clip": "norm", "clip_threshold": 1.0} not in found
    assert {"clip": "off"} in found
    assert {"clip_threshold": 10.0} in found
    assert {"l2": 0.0} in found
    assert {"regularisation": "decoupled"} in found
    assert {"regularisation": "decoupled"} not in tried("deep-sigmoid")


def test_what_the_warning_suggests_comes_first_unless_it_cannot_be_had() -> None:
    scenario = load("deep-sigmoid")
    suggested: list[Fix] = [{"lr": 0.123}, {"batch_norm": "on"}, {"cell": "lstm"}, {"lr": 0.123}]
    found = fixes.candidates(scenario, toggles.initial(scenario), suggested)
    assert found[:2] == [{"lr": 0.123}, {"batch_norm": "on"}]
    assert found.count({"batch_norm": "on"}) == 1
    assert {"cell": "lstm"} not in found
