"""The pages behind the warnings: one for each, a screenful at most, and true to the thresholds in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradtui.diagnose import loss_rules, page, profile_rules, symmetry_rules, unit_rules, update_rules
from gradtui.diagnose.hysteresis import Rule
from gradtui.diagnose.rules import RULES

THRESHOLDS: dict[str, tuple[str, list[float]]] = {
    "vanishing": ("opens", [*profile_rules.VANISHING_DEPTH[:2], *profile_rules.VANISHING_TIME[:2]]),
    "exploding": ("opens", [profile_rules.EXPLODING_INIT, profile_rules.EXPLODING_INIT_CRITICAL, profile_rules.EXPLODING]),
    "update-too-large": ("opens", [update_rules.UPDATE_CRITICAL, update_rules.UPDATE_LARGE]),
    "update-too-small": ("opens", [update_rules.UPDATE_SMALL, update_rules.SMALL_FROM, update_rules.UPDATE_STUCK]),
    "divergence": ("opens", [loss_rules.DIVERGED, loss_rules.DIVERGED_FIRST]),
    "dead-units": ("opens", [unit_rules.DEAD, unit_rules.DEAD_INFORMATION]),
    "saturated": ("opens", [unit_rules.SATURATED]),
    "symmetry": ("opens", [symmetry_rules.SYMMETRIC]),
    "plateau": ("opens", [loss_rules.PLATEAU, loss_rules.PLATEAU_FROM, loss_rules.PLATEAU_SURE]),
    "clipping-too-low": ("opens", [loss_rules.CLIPPED, loss_rules.COEFFICIENT, *loss_rules.CLIP_STEPS]),
    "underflow": ("opens", [unit_rules.UNDERFLOW]),
    "penalty-hides-vanishing": ("opens", [profile_rules.PENALTY, profile_rules.VANISHING_DEPTH[0]]),
}
OVER: dict[str, list[float]] = {
    "vanishing": [profile_rules.VANISHING_DEPTH[2], profile_rules.VANISHING_TIME[2]],
    "exploding": [profile_rules.EXPLODING_OVER],
    "update-too-large": [update_rules.UPDATE_LARGE],
    "update-too-small": [update_rules.UPDATE_SMALL_OVER, update_rules.UPDATE_STUCK_OVER],
    "dead-units": [unit_rules.DEAD_OVER, unit_rules.DEAD_INFORMATION_OVER],
    "saturated": [unit_rules.SATURATED_OVER],
    "symmetry": [symmetry_rules.SYMMETRIC_OVER],
    "plateau": [loss_rules.PLATEAU_OVER],
    "clipping-too-low": [loss_rules.CLIPPED_OVER],
    "underflow": [unit_rules.UNDERFLOW_OVER],
    "penalty-hides-vanishing": [profile_rules.PENALTY_OVER, profile_rules.VANISHING_DEPTH[2]],
}


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    pages = {path.stem for path in (Path(page.__file__).parent / "pages").iterdir()}
    assert pages == {rule.code for rule in RULES}


@pytest.mark.parametrize("code", page.CODES)
def test_a_page_is_a_screenful_and_says_everything(code: str) -> None:
    found = page.load(code)
    assert all(getattr(found, field) for field in found.__struct_fields__)
    shown = page.lines(found)
    assert len(shown) <= 24
    assert max(map(len, shown)) <= 80
    assert " ".join(found.means.split()[:5]) in shown[1]


def spelled(number: float) -> str:
    return f"{number:.0e}".replace("e-0", "e-") if 0 < number < 1e-3 else f"{number:g}"


@pytest.mark.parametrize("code", THRESHOLDS)
def test_the_page_names_the_thresholds_in_force(code: str) -> None:
    """Catches a threshold that is changed in the code alone."""
    found = page.load(code)
    field, numbers = THRESHOLDS[code]
    for number in numbers:
        assert spelled(number) in getattr(found, field).replace(",", " ").replace(";", " ").split()
    for number in OVER.get(code, []):
        assert spelled(number) in found.closes.replace(",", " ").replace(")", " ").split()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_names_the_severities_and_how_it_closes(rule: Rule) -> None:
    found = page.load(rule.code)
    if rule.close is None:
        assert found.closes.startswith("never")
    elif rule.close.records > 1:
        assert f"on {rule.close.records} frames" in found.closes
