"""The bank's parts: draws by seed, published rules at their thresholds, and the arithmetic of the table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.diagnosis.draws import draw
from benchmarks.diagnosis.published import PUBLISHED, Seen
from benchmarks.diagnosis.table import markdown, wilson
from benchmarks.diagnosis.verdict import Verdict
from gradtui.lab import scenario


def seen(step: int = 50, **changes: Any) -> Seen:
    """A frame that no published rule minds."""
    fields: dict[str, Any] = {
        "step": step,
        "share": 0.5,
        "loss": 1.0,
        "accuracy": 0.5,
        "total_norm": 1.0,
        "mean_abs": [1e-3, 1e-3],
        "norms": [0.1, 0.1],
        "zeros": 0.1,
        "ratios": [1e-3, 1e-3],
        "dead": 0.1,
        "variances": [0.01, 0.01],
        "gradient_ratios": [1e-3, 1e-3],
    }
    return Seen(**fields | changes)


def speaking(*frames: Seen) -> set[str]:
    return {name for name, rule in PUBLISHED.items() if rule(frames) is not None}


def test_a_seed_is_a_training_and_every_training_is_a_valid_scenario() -> None:
    drawn = [draw(seed) for seed in range(200)]
    assert [draw(seed) for seed in range(200)] == drawn
    assert {found.model for found, _ in drawn} == {"mlp", "rnn", "resnet", "transformer"}
    for found, settings in drawn:
        fields = {"title": "t", "shows": "s", "model": found.model, "data": found.data, "options": found.options, "settings": settings}
        scenario.check(fields, "bank")


def test_nobody_minds_a_frame_without_fault() -> None:
    assert speaking(seen(0), seen(10), seen(20)) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"norms": [0.99e-4, 0.1]}, {"AUTOTRAINER, no gate", "AUTOTRAINER, gated on accuracy"}),
        ({"norms": [1.01e-4, 0.2]}, set()),
        ({"norms": [7.1, 0.1]}, {"AUTOTRAINER, no gate", "AUTOTRAINER, gated on accuracy"}),
        ({"zeros": 0.7, "accuracy": 0.6}, {"AUTOTRAINER, no gate"}),
        ({"zeros": 0.7, "share": 0.29}, {"AUTOTRAINER, no gate"}),
        ({"mean_abs": [0.99e-7, 1e-3]}, {"SageMaker Debugger", "TheDeepChecker", "DeepDiagnosis"}),
        ({"mean_abs": [0.99e-6, 1e-3]}, {"TheDeepChecker"}),
        ({"dead": 0.51}, {"SageMaker Debugger", "TheDeepChecker"}),
        ({"ratios": [0.99e-4, 1e-3, 1e-3]}, {"TheDeepChecker"}),
        ({"ratios": [1e-3, 0.011, 0.011]}, {"update ratio 1e-4 to 1e-2"}),
        ({"ratios": [1e-3, 1e-3, 11.0]}, {"SageMaker Debugger", "TheDeepChecker"}),
        ({"variances": [11.0, 0.1]}, {"DeepDiagnosis"}),
        ({"gradient_ratios": [0.11, 1e-3]}, {"DeepDiagnosis"}),
        ({"total_norm": 10.1}, {"global norm > 10"}),
        ({"total_norm": math.nan}, {"global norm > 10"}),
        ({"loss": math.nan}, set(PUBLISHED) - {"global norm > 10", "update ratio 1e-4 to 1e-2"}),
    ],
)
def test_each_rule_speaks_at_its_published_threshold(changes: dict[str, Any], expected: set[str]) -> None:
    assert speaking(seen(**changes)) == expected


def test_a_gradient_that_halves_four_times_in_a_row_is_seen() -> None:
    halving = [seen(10 * i, mean_abs=[1e-3 * 0.5**i, 1e-3]) for i in range(1, 6)]
    assert "TheDeepChecker" in speaking(*halving)
    assert "TheDeepChecker" not in speaking(*halving[:4])


def test_wilsons_interval_is_his() -> None:
    """Wilson 1927; the figures are those of Newcombe 1998, table I."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def verdict(seed: int, score: float, **ours: int) -> Verdict:
    return Verdict(seed=seed, family="mlp", score=score, finite=True, steps=300, ours=dict(ours), informed=dict(ours), published={})


def test_the_table_counts_each_part_for_itself_and_leaves_out_what_is_in_between() -> None:
    clean = [
        verdict(2000, 0.1, vanishing=25),
        verdict(2002, 0.9, vanishing=35),
        verdict(2104, 0.5, vanishing=5),
        verdict(2799, 0.0, plateau=200),
    ]
    text = markdown([verdict(1, 0.9), *clean, verdict(244, 0.1)])
    first, second = text.split("## Seen")
    assert first.startswith("## Clean test: seeds 2000 to 2799")
    assert "4 runs (4 mlp): 1 learned, 2 failed, 1 in between." in first
    (row,) = (line for line in first.splitlines() if line.startswith("| vanishing"))
    assert [cell.split(",")[-1].strip() for cell in row.split("|")[2:4]] == ["1/2", "1/1"]
    assert [cell.strip() for cell in row.split("|")[4:6]] == ["0.50", "25"]
    (row,) = (line for line in first.splitlines() if line.startswith("| **gradtui, any**"))
    assert row.split("|")[2].endswith("2/2 ")
    assert "2 runs (2 mlp): 1 learned, 1 failed, 0 in between." in second
    assert "0/1" in second
