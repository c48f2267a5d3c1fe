"""The lab trains what physics says it should, and a toggle changes what it names and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradtui.lab import toggles
from gradtui.lab.errors import SettingError
from gradtui.lab.learner import Measured
from gradtui.lab.models.mlp import Block
from gradtui.lab.scenario import load
from gradtui.lab.session import Session
from gradtui.stream.events import Value

CPU = torch.device("cpu")


def session(name: str, seed: int = 0, /, **changes: Value) -> Session:
    scenario = load(name)
    return Session(scenario, toggles.initial(scenario, changes), seed, CPU)


def measured(training: Session) -> Measured:
    found = training.take_step(measure=True)
    assert found is not None
    return found


def span(training: Session, found: Measured) -> float:
    """log10 delta of the first hidden layer minus that of the last."""
    deltas = found.layers["delta_rms"]
    first, last = deltas[0], deltas[-2]
    assert first is not None
    assert last is not None
    return math.log10(first / last)


def weights(training: Session) -> list[Tensor]:
    return [p.detach().clone() for p in training.learner.model.parameters() if p.ndim >= 2]


def score(training: Session, steps: int) -> float:
    for _ in range(steps):
        training.take_step(measure=False)
    training.evaluate()
    return (training.metrics["accuracy"] - 0.1) / 0.9


@pytest.mark.parametrize(
    ("name", "changes", "decades", "tolerance"),
    [
        ("deep-sigmoid", {}, -4.44, 0.25),
        ("deep-sigmoid", {"init": "gaussian", "sigma_w": 4.0}, -1.50, 0.25),
        ("deep-sigmoid", {"activation": "tanh", "depth": 20}, -0.71, 0.25),
        ("exploding-relu", {}, 2.86, 0.5),
        ("exploding-relu", {"init": "he"}, 0.0, 0.5),
    ],
)
def test_the_profile_at_initialisation_is_the_mean_field_prediction(
    name: str, changes: dict[str, Value], decades: float, tolerance: float
) -> None:
    """Predicted total decades and the tolerance for the mean of three seeds at width 64 (Schoenholz 2017's recursion)."""
    spans = []
    for seed in range(3):
        training = session(name, seed, **changes)
        spans.append(span(training, measured(training)))
    assert abs(sum(spans) / 3 - decades) <= tolerance


def test_a_deep_sigmoid_does_not_learn_and_batch_norm_cures_it() -> None:
    sick, cured = session("deep-sigmoid"), session("deep-sigmoid")
    assert score(sick, 200) < 0.1
    cured.set("batch_norm", "on")
    assert score(cured, 200) > 0.9
    assert abs(span(cured, measured(cured))) < 1.2


def test_exploding_relu_is_not_a_number_and_clipping_rescues_it_partly() -> None:
    sick, clipped = session("exploding-relu"), session("exploding-relu", clip="norm")
    assert score(sick, 20) < 0.1
    assert not math.isfinite(measured(sick).loss)
    assert 0.4 < score(clipped, 500) < 0.9


def test_a_plain_skip_without_normalisation_makes_it_worse() -> None:
    plain, scaled = session("exploding-relu", skip="plain"), session("exploding-relu", skip="scaled")
    assert span(plain, measured(plain)) > 4.0
    assert span(scaled, measured(scaled)) < 2.0


def test_norm_clipping_keeps_the_direction_and_value_clipping_does_not() -> None:
    raw, by_norm, by_value = (session("exploding-relu", clip=clip, clip_threshold=0.01) for clip in ("off", "norm", "value"))
    gradients = []
    for training in (raw, by_norm, by_value):
        training.take_step(measure=False)
        gradients.append(torch.cat([p.grad.flatten() for p in training.learner.model.parameters() if p.grad is not None]).double())
    cosines = [torch.nn.functional.cosine_similarity(gradients[0], g, dim=0).item() for g in gradients[1:]]
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    assert cosines[1] < 0.9
    assert gradients[1].norm().item() == pytest.approx(0.01, rel=1e-4)
    assert gradients[2].abs().max().item() == pytest.approx(0.01)


def test_a_frame_holds_the_norm_before_and_after_clipping() -> None:
    found = measured(session("exploding-relu", clip="norm", clip_threshold=0.5))
    assert found.total_norm > 100
    assert found.clipped_norm == pytest.approx(0.5, rel=1e-4)
    total = math.sqrt(math.fsum((norm or 0.0) ** 2 for norm in found.layers["grad_norm"]))
    assert found.total_norm == pytest.approx(total, rel=1e-4)


def test_the_regulariser_is_measured_apart_from_the_data_loss() -> None:
    """L2 in the loss would make a dead profile look alive."""
    without, within = session("deep-sigmoid"), session("deep-sigmoid", l2=1e-2)
    expected = 2e-2 * weights(within)[0].double().norm().item()
    plain, regular = measured(without), measured(within)
    assert regular.layers["grad_norm"] == plain.layers["grad_norm"]
    assert regular.loss == plain.loss
    assert regular.layers["penalty_norm"][0] == pytest.approx(expected, rel=1e-4)
    assert regular.total_norm > 1.1 * plain.total_norm


def test_l2_shrinks_weights_as_its_gradient_says() -> None:
    """One SGD step with λΣw² moves a weight by lr·2λw more than one without."""
    without, within = (session("deep-sigmoid", optimizer="sgd", lr=0.1, l2=l2) for l2 in (0.0, 0.5))
    before = weights(without)[0]
    without.take_step(measure=False)
    within.take_step(measure=False)
    torch.testing.assert_close(weights(without)[0] - weights(within)[0], 0.1 * 2 * 0.5 * before, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("key", "other"), [("batch_norm", "on"), ("skip", "plain"), ("activation", "relu"), ("clip", "norm"), ("lr", 0.5)])
def test_a_live_toggle_keeps_the_weights_and_can_be_undone(key: str, other: Value) -> None:
    """On and off again between two steps leaves the same training, state of the optimizer included."""
    untouched, toggled = session("deep-sigmoid"), session("deep-sigmoid")
    for training in (untouched, toggled):
        for _ in range(3):
            training.take_step(measure=False)
    before = toggled.settings[key]
    toggled.set(key, other)
    assert all(torch.equal(a, b) for a, b in zip(weights(untouched), weights(toggled), strict=True))
    toggled.set(key, before)
    for training in (untouched, toggled):
        training.take_step(measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(untouched), weights(toggled), strict=True))


@pytest.mark.parametrize(("name", "changes"), [("deep-sigmoid", {}), ("plain-resnet", {"batch_norm": "off"})])
def test_rows_stay_the_same_when_normalisation_and_activation_change(name: str, changes: dict[str, Value]) -> None:
    training = session(name, 0, **changes)
    names = [layer.name for layer in training.layers]
    for key, value in (("batch_norm", "on"), ("activation", "elu"), ("skip", "scaled"), ("batch_norm", "no_affine"), ("batch_norm", "off")):
        training.set(key, value)
        training.take_step(measure=True)
        assert [layer.name for layer in training.layers] == names


def test_batch_norm_learns_its_scale_and_shift_when_switched_on_live() -> None:
    training = session("deep-sigmoid")
    training.take_step(measure=False)
    training.set("batch_norm", "on")
    training.take_step(measure=False)
    block = next(m for m in training.learner.model.modules() if isinstance(m, Block))
    assert isinstance(block.norm, nn.BatchNorm1d)
    assert block.norm.weight.ne(1).any()
    training.set("batch_norm", "no_affine")
    assert next(m for m in training.learner.model.modules() if isinstance(m, nn.BatchNorm1d)).weight is None


def test_an_init_draws_anew_and_says_so() -> None:
    training = session("deep-sigmoid")
    before = weights(training)
    value, note = training.set("init", "he")
    assert value == "he"
    assert "drawn anew" in note
    assert not torch.equal(before[0], weights(training)[0])
    assert torch.equal(before[-1], weights(training)[-1])  # the read-out keeps its own
    assert weights(training)[0].std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.05)


def test_a_toggle_that_shapes_the_network_waits_for_a_restart() -> None:
    training = session("deep-sigmoid")
    assert training.set("depth", 3) == (3, "in force at the next restart")
    assert len(training.layers) == 9
    again = Session(training.scenario, training.settings, 0, CPU)
    assert len(again.layers) == 4


def test_a_refused_setting_changes_nothing() -> None:
    training = session("deep-sigmoid")
    before = dict(training.settings)
    with pytest.raises(SettingError):
        training.set("lr", "fast")
    assert training.settings == before


def test_the_same_seed_trains_the_same_and_measuring_does_not_change_it() -> None:
    measured_every_step, never = session("plain-resnet"), session("plain-resnet")
    for _ in range(2):
        measured_every_step.take_step(measure=True)
        never.take_step(measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(measured_every_step), weights(never), strict=True))
    buffers = [dict(s.learner.model.named_buffers()) for s in (measured_every_step, never)]
    assert all(torch.equal(buffers[0][name], buffers[1][name]) for name in buffers[0])


def test_multiplying_the_loss_by_a_power_of_two_is_exact() -> None:
    """Plain SGD in float32: loss·2^k with lr/2^k gives the same weights bit for bit, so nothing measured hides a constant."""
    import torch.nn.functional as F

    plain, scaled = session("deep-sigmoid", optimizer="sgd", lr=2.0**-6), session("deep-sigmoid", optimizer="sgd", lr=2.0**-16)
    for _ in range(3):
        plain.take_step(measure=False)
    batches = scaled.data.batches(64, 0)
    for _ in range(3):
        x, y = next(batches)
        scaled.learner.update(lambda x=x, y=y: F.cross_entropy(scaled.learner.model(x), y) * 2.0**10, measure=False)  # type: ignore[misc]
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(scaled), strict=True))


def test_a_toggle_set_to_what_it_is_sets_nothing_afresh() -> None:
    training = session("exploding-batchnorm", depth=3)
    for _ in range(3):
        training.take_step(measure=False)
    before, state = weights(training), training.learner.optimizer.state_dict()["state"]
    means = [buffer.clone() for buffer in training.learner.model.buffers()]
    for key in ("batch_norm", "norm_scale", "optimizer", "activation", "skip", "sigma_w"):
        assert training.set(key, training.settings[key]) == (training.settings[key], "")
    assert all(torch.equal(a, b) for a, b in zip(before, weights(training), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(means, training.learner.model.buffers(), strict=True))
    assert len(training.learner.optimizer.state_dict()["state"]) == len(state) > 0


def test_an_init_set_to_what_it_is_draws_anew() -> None:
    training = session("deep-sigmoid")
    before = weights(training)[0]
    assert "drawn anew" in training.set("init", "xavier")[1]
    assert not torch.equal(before, weights(training)[0])


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("clip_threshold", 0.1, {"clip": "value"}),
        ("leaky_slope", 0.2, {"activation": "leaky_relu"}),
        ("regularisation", "decoupled", {"l2": 0.01}),
        ("loss_scale", 8.0, {"precision": "bf16"}),
    ],
)
def test_a_toggle_that_does_nothing_yet_says_under_what_it_will(key: str, value: Value, where: dict[str, Value]) -> None:
    assert session("deep-sigmoid").set(key, value)[1].startswith("in force with ")
    assert session("deep-sigmoid", **where).set(key, value)[1] == ""


def test_a_normalisation_says_what_of_it_starts_afresh() -> None:
    assert session("deep-sigmoid").set("batch_norm", "on")[1] == "scale, shift and running statistics start afresh"
    assert session("deep-sigmoid").set("batch_norm", "no_affine")[1] == "running statistics start afresh"
    transformer = session("healthy-transformer")
    assert transformer.set("layer_norm", "post")[1] == "scale and shift start afresh"
    assert transformer.set("layer_norm", "off")[1] == ""
