"""A fast part of `make effects`: for some scenarios the sick base, the best cure and a fix that must not help, on one seed."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks import cells, effects, effects_table
from benchmarks.cells import Cell
from benchmarks.effects import Outcome

EXPECTED = {(cell.scenario, cell.fix): cell for cell in cells.read()}

FAST = [
    ("deep-sigmoid", "base", {"vanishing"}),
    ("deep-sigmoid", "bn", set()),
    ("deep-sigmoid", "l2_3", {"vanishing"}),
    ("dead-relu", "base", {"dead-units"}),
    ("dead-relu", "elu", set()),
    ("dead-relu", "leaky", set()),
    ("constant-init", "base", set()),
    ("constant-init", "xav", set()),
    ("constant-init", "bn", set()),
    ("exploding-relu", "base", {"exploding", "non-finite"}),
    ("exploding-relu", "bn", set()),
    ("half-precision", "base", set()),
    ("half-precision", "ls8", set()),
    ("half-precision", "clipN1", set()),
]
"""Scenario, fix, and warnings that must open."""


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "fix", "warnings"), FAST)
def test_a_fix_does_what_is_expected_of_it(scenario: str, fix: str, warnings: set[str]) -> None:
    cell = EXPECTED[scenario, fix]
    outcome = effects.measure(cell, seed=0)
    assert not cell.complaint([outcome.score])
    assert warnings <= set(outcome.warnings)


@pytest.mark.parametrize("scenario", {name: None for name, _ in EXPECTED})
def test_every_expected_fix_can_be_set(scenario: str) -> None:
    """A toggle that was renamed would leave its cells out of the table."""
    for cell in (cell for (name, _), cell in EXPECTED.items() if name == scenario):
        spec = effects.spec_of(cell, seed=0)
        assert all(setting.partition("=")[0] in spec.settings for setting in cell.settings)
        assert len(cell.score) == len(cell.span) == 3


def cell(**changes: object) -> Cell:
    fields = {"scenario": "s", "fix": "f", "settings": (), "score": (0.9, 0.9, 0.9), "span": (0.0, 0.0, 0.0), "helps": True}
    return Cell(**(fields | {"note": "", "metric": "accuracy", "chance": 0.1, "perfect": 1.0} | changes))  # type: ignore[arg-type]


def test_a_score_runs_from_chance_to_perfect_whichever_way_the_metric_goes() -> None:
    assert cell().score_of({"accuracy": 0.55}) == pytest.approx(0.5)
    assert cell().score_of({"accuracy": 0.05}) == 0
    assert cell(metric="sw1", chance=1.0, perfect=0.0).score_of({"sw1": 0.25}) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("changes", "scores", "as_expected"),
    [
        ({}, [0.9, 0.8, 0.8], True),
        ({}, [0.7, 0.7, 0.7], False),
        ({"score": (0.4, 0.9, 0.9)}, [0.4, 0.4, 0.4], True),  # the expected seeds differ as much among themselves
        ({"score": (0.75, 0.75, 0.75), "helps": False}, [0.79, 0.79, 0.79], True),
        ({"score": (0.75, 0.75, 0.75), "helps": False}, [0.82, 0.82, 0.82], False),  # within 0.15, and yet it helps now
        ({"score": (0.3, 0.3, 0.3)}, [0.5, 0.5, 0.5], False),
    ],
)
def test_what_is_as_expected(changes: dict[str, object], scores: list[float], as_expected: bool) -> None:
    assert (cell(**changes).complaint(scores) == "") is as_expected


def outcome(score: float, *warnings: str) -> Outcome:
    return Outcome(score=score, span=[-4.4, None, -4.0, 0.5], warnings=list(warnings))


def test_the_table_shows_what_is_not_as_expected_and_only_the_unexplained_is_complained_of() -> None:
    found: dict[Cell, dict[int, Outcome | str]] = {
        cell(fix="good"): {0: outcome(0.9, "vanishing"), 1: outcome(0.92)},
        cell(fix="bad"): {0: outcome(0.1)},
        cell(fix="known", note="another draw"): {0: outcome(0.1)},
        cell(fix="gone"): {0: "gone: no such toggle"},
    }
    report = effects_table.report(found, [0, 1])
    assert report.complaints == ["s bad: 0.10 is -0.80 from 0.90 (tolerance 0.15)", "s gone: gone: no such toggle"]
    rows = {line.split(" | ")[0].strip("| "): line for line in report.markdown.splitlines() if line.startswith("| ")}
    assert "0.90 0.92 (0.90) | -4.4 (+0.0) | -4.0 (+0.0) | +0.5 | vanishing 1/2 |  |" in rows["good"]
    assert "✗ 0.10 is" in rows["bad"]
    assert "✗ another draw" in rows["known"]
    assert "4 trainings, 4 cells, 1 as expected" in report.markdown


def test_a_finished_training_is_taken_from_the_cache_and_a_half_written_line_is_not(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path_factory.mktemp("cache") / "effects.jsonl"
    known, other = EXPECTED["deep-sigmoid", "base"], EXPECTED["deep-sigmoid", "bn"]
    key = effects._key(effects.spec_of(known, 0))
    assert key != effects._key(effects.spec_of(known, 1))
    assert key != effects._key(effects.spec_of(other, 0))
    line = msgspec.json.encode(effects.Kept(key, outcome(0.5)))
    cache.write_bytes(line + b"\n" + line[: len(line) // 2])
    assert list(effects.measure_all([known], [0], 1, cache)) == [(known, 0, outcome(0.5))]
