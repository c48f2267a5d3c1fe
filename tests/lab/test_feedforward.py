"""The feed-forward scenarios fail as they say, the best cure of each cures, and what folklore says does not help does not.

One seed and as few steps as show it; the whole table, three seeds and full length, is the effects benchmark's.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest

from gradtui.diagnose.state import RunState
from gradtui.lab import scenario as scenarios
from gradtui.lab import toggles
from gradtui.lab.loop import Loop
from gradtui.lab.spec import Spec
from gradtui.stream.commands import CommandReader
from gradtui.stream.events import Value, decode
from gradtui.stream.writer import EventWriter
from tests.lab.trainings import decades, measured, preset, score

Changes = dict[str, Value]


@pytest.mark.parametrize(
    ("name", "steps", "cure"),
    [
        ("ordered-tanh", 60, {"skip": "plain"}),
        ("xavier-relu", 200, {"skip": "scaled"}),
        ("dead-relu", 150, {"batch_norm": "on"}),
        ("dying-relu", 150, {"lr": 0.02}),
        ("zero-init", 150, {"init": "he"}),
        ("constant-init", 150, {"init": "xavier"}),
        ("slow-learning-rate", 150, {"optimizer": "adam", "lr": 0.001}),
        ("exploding-batchnorm", 60, {"skip": "scaled"}),
        ("half-precision", 150, {"loss_scale": 2.0**14}),
    ],
)
def test_the_scenario_does_not_learn_and_its_best_cure_does(name: str, steps: int, cure: Changes) -> None:
    seed = scenarios.load(name).seed
    assert score(preset(name, seed), steps) < 0.35
    assert score(preset(name, seed, **cure), steps) > 0.8


@pytest.mark.parametrize(
    ("name", "steps", "useless"),
    [
        ("ordered-tanh", 100, {"lr": 0.2}),
        ("xavier-relu", 150, {"init": "orthogonal"}),
        ("dead-relu", 100, {"activation": "leaky_relu"}),
        ("dying-relu", 150, {"activation": "elu"}),
        ("zero-init", 60, {"batch_norm": "on"}),
        ("zero-init", 60, {"activation": "tanh", "optimizer": "adam"}),
        ("constant-init", 150, {"batch_norm": "on"}),
        ("exploding-batchnorm", 40, {"clip": "norm"}),
        ("chaotic-tanh", 150, {"clip": "norm"}),
    ],
)
def test_what_does_not_help_still_does_not(name: str, steps: int, useless: Changes) -> None:
    assert score(preset(name, scenarios.load(name).seed, **useless), steps) < 0.35


def test_a_larger_leaky_slope_does_what_the_usual_one_cannot() -> None:
    assert score(preset("dead-relu", activation="leaky_relu", leaky_slope=0.2), 200) > 0.8


def test_in_the_chaotic_phase_l2_helps() -> None:
    base, shrunk = score(preset("chaotic-tanh", 1), 300), score(preset("chaotic-tanh", 1, l2=0.01), 300)
    assert base < 0.5
    assert shrunk > base + 0.25


def test_batch_norm_without_scale_and_shift_keeps_tanh_linear() -> None:
    base, cured = score(preset("linear-batchnorm"), 600), score(preset("linear-batchnorm", batch_norm="on"), 600)
    assert base < 0.75
    assert cured > 0.85


def test_adagrad_finds_what_rare_words_say() -> None:
    """Of SGD's learning rates the best of a tenfold range is not as good, and three times that is not a number."""
    best = score(preset("sparse-adagrad", optimizer="adagrad", lr=0.1), 400)
    assert best > 0.65
    assert all(score(preset("sparse-adagrad", lr=lr), 400) < best - 0.1 for lr in (0.3, 1.0))
    diverged = preset("sparse-adagrad", lr=3.0)
    score(diverged, 60)
    assert not math.isfinite(measured(diverged).loss)


@pytest.mark.parametrize(
    ("name", "changes", "predicted", "tolerance"),
    [
        ("ordered-tanh", {}, -5.81, 0.25),
        ("ordered-tanh", {"activation": "relu"}, -8.58, 0.5),
        ("chaotic-tanh", {}, 2.52, 0.25),
        ("xavier-relu", {}, -4.37, 0.5),
        ("xavier-relu", {"activation": "elu"}, -1.00, 0.25),
        ("exploding-batchnorm", {}, 4.26, 0.25),
        ("healthy-mlp", {}, 0.0, 0.25),
    ],
)
def test_the_profile_at_initialisation_is_the_mean_field_prediction(
    name: str, changes: Changes, predicted: float, tolerance: float
) -> None:
    """Schoenholz 2017's recursion; for batch norm the growth of 1.493 a layer that batches of 64 have, π/(π−1) being their limit."""
    spans = [decades(measured(preset(name, seed, **changes))) for seed in range(3)]
    assert abs(sum(spans) / 3 - predicted) <= tolerance


def test_gradients_of_the_weight_matrices_hide_what_delta_shows() -> None:
    """Of the matrices: a bias's gradient is δ, summed over the batch, and falls with it."""
    training = preset("ordered-tanh")
    found = measured(training)
    norms = [p.grad.norm().item() for p in training.learner.model.parameters() if p.grad is not None and p.ndim == 2]
    assert abs(math.log10(norms[0] / norms[-2])) < 0.5
    assert decades(found) < -5


def test_a_plain_skip_on_xavier_weights_is_not_a_number_at_once() -> None:
    training = preset("xavier-relu", skip="plain")
    for _ in range(3):
        training.take_step(measure=False)
    assert not math.isfinite(measured(training).loss)


def test_equal_weights_stay_equal() -> None:
    training = preset("constant-init")
    for _ in range(20):
        training.take_step(measure=False)
    for parameter in list(training.learner.model.parameters())[:-2]:
        assert (parameter - parameter[:1]).abs().max() < 1e-5


@pytest.mark.parametrize(("name", "steps"), [("healthy-mlp", 300), ("healthy-resnet", 120)])
def test_a_healthy_control_opens_no_warning(name: str, steps: int, tmp_path: Path) -> None:
    scenario = scenarios.load(name)
    spec = Spec(name=name, scenario=scenario, settings=toggles.initial(scenario), device="cpu", steps=steps, every=10)
    events, commands = tmp_path / "events.jsonl", tmp_path / "commands.jsonl"
    Loop(spec, EventWriter(events), CommandReader(commands), threading.Event(), lambda: None).run()
    state = RunState()
    for line in events.read_bytes().splitlines():
        state.apply(decode(line))
    assert state.frame is not None
    assert state.frame.metrics["accuracy"] > 0.9
    assert [(warning.code, warning.step) for warning in state.warnings] == []
