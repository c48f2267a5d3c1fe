"""A Wasserstein GAN trains what theory says it should, and its critic's numbers are of the loss they claim to be of."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gradtui.diagnose.theory import clipped
from gradtui.lab import toggles
from gradtui.lab.critic import Critic
from gradtui.lab.gan import GanSession, sliced_wasserstein
from gradtui.lab.learner import Learner, Measured
from gradtui.lab.models.mlp import MLP
from gradtui.lab.scenario import load
from gradtui.lab.sessions import begin
from gradtui.stream.events import Numbers, Value

CPU = torch.device("cpu")


def session(seed: int = 0, /, **changes: Value) -> GanSession:
    scenario = load("wgan")
    training = begin(scenario, toggles.initial(scenario, changes), seed, CPU)
    assert isinstance(training, GanSession)
    return training


def measured(training: GanSession) -> Measured:
    found = training.take_step(measure=True)
    assert found is not None
    return found


def slope(training: GanSession) -> float:
    """Decades per hidden layer of the critic, on the next step."""
    deltas = measured(training).layers["delta_rms"]
    hidden = [delta for delta, layer in zip(deltas, training.layers, strict=True) if layer.group == "critic"][:-1]
    first, last = hidden[0], hidden[-1]
    assert first is not None
    assert last is not None
    return math.log10(first / last) / (len(hidden) - 1)


def weights(learner: Learner) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in learner.model.parameters()]


def linears(training: GanSession) -> list[nn.Linear]:
    return [module for module in training.critic.model.modules() if isinstance(module, nn.Linear)]


def distance(training: GanSession, steps: int) -> float:
    """How far the generated points are from the data after `steps`."""
    for _ in range(steps):
        training.take_step(measure=False)
    training.evaluate()
    return training.metrics["sw1"]


# -- theory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [0.001, 0.01, 0.03])
def test_on_the_bound_delta_grows_by_c_times_the_root_of_half_the_width(bound: float) -> None:
    slopes = [slope(session(seed, weight_clip=bound)) for seed in range(3)]
    assert sum(slopes) / 3 == pytest.approx(math.log10(clipped(bound, 64).sigma_w / math.sqrt(2)), abs=0.1)


def test_a_wider_critic_vanishes_less() -> None:
    """log10 √(256/64) = 0.30 decades per layer: what multiplies δ is c·√(N/2), not c."""
    assert slope(session(width=256)) - slope(session(width=64)) == pytest.approx(0.30, abs=0.1)


def test_under_the_penalty_the_profile_is_flat_and_the_slope_about_one() -> None:
    training = session(lipschitz="gradient_penalty")
    assert abs(slope(training)) < 0.05
    distance(training, 40)
    assert abs(slope(training)) < 0.05
    assert 0.5 < training.metrics["gradient_norm"] < 2


def test_a_clipped_critic_teaches_nothing_and_a_penalised_one_does() -> None:
    sick, cured = session(), session(lipschitz="gradient_penalty")
    start = distance(sick, 0)
    assert distance(sick, 40) == pytest.approx(start, rel=0.001)
    assert sick.metrics["at_bound"] > 0.9
    assert distance(cured, 40) < 0.6 * start
    assert "at_bound" not in cured.metrics


# -- what is measured ----------------------------------------------------------------------------------------------

SHAPE: dict[str, Value] = {"depth": 3, "width": 7, "activation": "relu", "leaky_slope": 0.0, "init": "he", "sigma_w": 1.0}
LR, PENALTY_WEIGHT, SEED = 0.125, 3.0, 5


def critic_in_float64(**changes: Value) -> tuple[Critic, Tensor, Tensor]:
    """A small critic, and a batch of real points and one of generated."""
    torch.manual_seed(1)
    settings = toggles.initial(load("wgan"), {"optimizer": "sgd", "lr": LR, "penalty_weight": PENALTY_WEIGHT, **SHAPE, **changes})
    model = MLP(2, 1, settings).double()
    points = torch.randn(2, 6, 2, dtype=torch.float64)
    return Critic(model, settings, lambda critic: critic(points[0]), SEED), points[0], points[1]


def penalty_by_hand(critic: Critic, real: Tensor, generated: Tensor) -> Tensor:
    """λ·E(‖∇D(x̂)‖ − 1)² with ∇D written out as the product of the weights whose units are active: no double backward in it."""
    share = torch.rand(6, 1, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    h = share * real + (1 - share) * generated
    *hidden, read_out = [module for module in critic.model.modules() if isinstance(module, nn.Linear)]
    product = torch.eye(2, dtype=torch.float64).expand(6, 2, 2)
    for layer in hidden:
        z = layer(h)
        product = (z.detach() > 0).double().unsqueeze(2) * (layer.weight @ product)
        h = z.relu()
    slopes = (read_out.weight @ product).squeeze(1).norm(dim=1)
    penalty: Tensor = PENALTY_WEIGHT * (slopes - 1).square().mean()
    return penalty


def row_norms(critic: Critic, gradients: dict[nn.Parameter, Tensor]) -> list[float]:
    """2-norm over each layer's weight and bias."""
    layers = [module for module in critic.model.modules() if isinstance(module, nn.Linear)]
    return [math.sqrt(sum(float(gradients[p].square().sum()) for p in layer.parameters() if p in gradients)) for layer in layers]


def close(numbers: Numbers, expected: list[float]) -> bool:
    return [number for number in numbers if number is not None] == pytest.approx(expected, rel=1e-6)


def test_the_critics_gradients_and_delta_are_the_losss_and_the_penaltys_are_apart() -> None:
    critic, real, generated = critic_in_float64(lipschitz="gradient_penalty")
    twin = copy.deepcopy(critic.model)
    zs: list[Tensor] = []
    for layer in [module for module in twin.modules() if isinstance(module, nn.Linear)][:-1]:
        layer.register_forward_hook(lambda *call: zs.append(call[2]))
    loss = twin(torch.cat([generated, real])).squeeze(1) @ torch.tensor([1 / 6] * 6 + [-1 / 6] * 6, dtype=torch.float64)
    deltas = [delta.square().mean().sqrt().item() for delta in torch.autograd.grad(loss, zs, retain_graph=True)]
    of_loss = torch.autograd.grad(loss, list(twin.parameters()))
    parameters = list(critic.model.parameters())
    of_penalty = torch.autograd.grad(penalty_by_hand(critic, real, generated), parameters, allow_unused=True)
    penalties = {p: g for p, g in zip(parameters, of_penalty, strict=True) if g is not None}

    found = critic.learn(real, generated, measure=True)
    assert found is not None
    assert found.loss == pytest.approx(loss.item(), rel=1e-9)
    assert close(found.layers["delta_rms"][:-1], deltas)
    assert close(found.layers["grad_norm"], row_norms(critic, dict(zip(parameters, of_loss, strict=True))))
    assert close(found.layers["penalty_norm"], row_norms(critic, penalties))
    for after, before, gradient, penalty in zip(parameters, twin.parameters(), of_loss, of_penalty, strict=True):
        torch.testing.assert_close(after, before - LR * (gradient if penalty is None else gradient + penalty), rtol=1e-9, atol=1e-12)


def test_l2_adds_to_the_penaltys_share_and_decoupled_leaves_the_penalty_in_the_loss() -> None:
    plain, within, decoupled = (
        critic_in_float64(lipschitz="gradient_penalty", **changes)
        for changes in ({}, {"l2": 0.5}, {"l2": 0.5, "regularisation": "decoupled"})
    )
    shrunk = [2 * 0.5 * LR * parameter.detach() * (parameter.ndim >= 2) for parameter in plain[0].model.parameters()]
    for critic, real, generated in (plain, within, decoupled):
        critic.learn(real, generated, measure=False)
    for of_plain, of_within, of_decoupled, by in zip(weights(plain[0]), weights(within[0]), weights(decoupled[0]), shrunk, strict=True):
        torch.testing.assert_close(of_within, of_plain - by)
        torch.testing.assert_close(of_decoupled, of_plain - by)


def test_the_generators_backward_pass_leaves_the_critics_gradients_alone() -> None:
    training = session(lipschitz="off")
    found = measured(training)
    norms = row_norms(training.critic, {p: p.grad for p in training.critic.model.parameters() if p.grad is not None})
    assert close(found.layers["grad_norm"][:9], norms)
    assert all(parameter.requires_grad for parameter in training.critic.model.parameters())
    assert found.total_norm == pytest.approx(math.hypot(*norms), rel=1e-5)


def test_rows_are_the_critics_then_the_generators_and_extremes_cover_every_update() -> None:
    training = session(activation="tanh")  # saturation is then of the critic only, and dead units of the generator
    layers = measured(training).layers
    assert [layer.group for layer in training.layers] == ["critic"] * 9 + ["generator"] * 4
    assert all(len(numbers) == 13 for numbers in layers.values())
    assert [number is None for number in layers["dead"]] == [True] * 9 + [False] * 3 + [True]
    widened = [low != high for low, high in zip(layers["grad_norm_min"], layers["grad_norm_max"], strict=True)]
    assert widened == [True] * 9 + [False] * 4  # five updates in a step, and one


def test_measuring_does_not_change_the_training() -> None:
    often, never = session(lipschitz="gradient_penalty", batch_norm="on"), session(lipschitz="gradient_penalty", batch_norm="on")
    for _ in range(2):
        often.take_step(measure=True)
        often.evaluate()
        never.take_step(measure=False)
    for learner, other in ((often.critic, never.critic), (often.generator, never.generator)):
        assert all(torch.equal(a, b) for a, b in zip(weights(learner), weights(other), strict=True))
    buffers = [dict(training.critic.model.named_buffers()) for training in (often, never)]
    assert all(torch.equal(buffers[0][name], buffers[1][name]) for name in buffers[0])


def test_the_sliced_distance_of_a_shift_is_its_length_times_the_mean_cosine() -> None:
    points = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    assert sliced_wasserstein(points, points.flip(0)).item() == 0
    shifted = points + torch.tensor([3.0, 4.0])
    assert sliced_wasserstein(points, shifted).item() == pytest.approx(5 * 2 / math.pi, rel=0.002)


# -- toggles while it trains ---------------------------------------------------------------------------------------


def test_weight_clipping_is_in_force_at_once_and_after_every_update() -> None:
    training = session(lipschitz="off")
    training.set("lipschitz", "clip_weights")
    for bound in (0.01, 0.003):
        training.set("weight_clip", bound)
        assert max(parameter.abs().max().item() for parameter in training.critic.model.parameters()) <= bound * 1.000001
        training.take_step(measure=False)
        assert max(parameter.abs().max().item() for parameter in training.critic.model.parameters()) <= bound * 1.000001
    assert max(parameter.abs().max().item() for parameter in training.generator.model.parameters()) > 0.1


def test_leaving_weight_clipping_says_that_the_weights_stay_small() -> None:
    training = session()
    _, note = training.set("lipschitz", "gradient_penalty")
    assert "restart" in note
    assert "restart" not in training.set("lipschitz", "off")[1]
    training.set("lipschitz", "clip_weights")
    assert "restart" in training.set("weight_clip", 0.1)[1]
    assert "restart" not in training.set("weight_clip", 0.05)[1]
    assert max(parameter.abs().max().item() for parameter in training.critic.model.parameters()) <= 0.010001


def test_spectral_normalisation_comes_and_goes_with_weights_and_optimizer_state_kept() -> None:
    training = session(lipschitz="off")
    training.take_step(measure=False)
    before = list(training.critic.model.parameters())
    state = {parameter: training.critic.optimizer.state[parameter]["square_avg"].clone() for parameter in before}
    names = [layer.name for layer in training.layers]

    training.set("lipschitz", "spectral_norm")
    largest = [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in linears(training)]
    assert largest == pytest.approx([1.0] * 9, abs=0.05)
    training.critic.model.eval()  # in training, each look at a normalised weight moves it a little
    normalised = [layer.weight.detach().clone() for layer in linears(training)]
    training.critic.model.train()
    training.set("lipschitz", "off")

    assert not any(parametrize.is_parametrized(layer) for layer in linears(training))
    assert all(torch.equal(layer.weight, kept) for layer, kept in zip(linears(training), normalised, strict=True))
    assert {id(parameter) for parameter in training.critic.model.parameters()} == {id(parameter) for parameter in before}
    assert all(torch.equal(training.critic.optimizer.state[parameter]["square_avg"], kept) for parameter, kept in state.items())
    assert [layer.name for layer in training.layers] == names
    training.take_step(measure=True)


def test_a_spectrally_normalised_critic_is_measured_trained_and_drawn_anew() -> None:
    training = session(lipschitz="spectral_norm")
    first = linears(training)[1].weight.detach().clone()
    found = measured(training)
    assert all(number is not None and number > 0 for number in found.layers["grad_norm"])
    originals = weights(training.critic)
    training.set("init", "orthogonal")
    assert parametrize.is_parametrized(linears(training)[1])
    assert not torch.allclose(linears(training)[1].weight, first, atol=0.05)
    assert any(not torch.equal(a, b) for a, b in zip(originals, weights(training.critic), strict=True))
    hidden = linears(training)[1].weight
    torch.testing.assert_close(hidden @ hidden.T, torch.eye(64), atol=1e-3, rtol=0)  # orthogonal: every singular value is 1


def test_toggles_act_on_the_critic_and_the_optimizers_on_both() -> None:
    training = session()
    assert "critic and generator" in training.set("lr", 0.25)[1]
    assert [learner.optimizer.param_groups[0]["lr"] for learner in (training.critic, training.generator)] == [0.25, 0.25]
    training.set("optimizer", "adam")
    assert all(isinstance(learner.optimizer, torch.optim.Adam) for learner in (training.critic, training.generator))
    drawn = weights(training.generator)
    for key, value in (("activation", "tanh"), ("batch_norm", "on"), ("init", "gaussian"), ("sigma_w", 0.5), ("leaky_slope", 0.5)):
        assert training.set(key, value)[1].endswith("on the critic")
    kinds = {type(module) for module in training.generator.model.modules()}
    assert nn.Tanh not in kinds
    assert nn.BatchNorm1d not in kinds
    assert nn.Tanh in {type(module) for module in training.critic.model.modules()}
    assert all(torch.equal(a, b) for a, b in zip(drawn, weights(training.generator), strict=True))


def test_a_clipped_critic_is_not_rescued_by_a_penalty_alone_and_is_by_spectral_normalisation() -> None:
    """Weights of ±0.01 leave gradients under the optimizer's ε: only what makes the weights larger helps."""
    penalised, normalised = session(), session()
    start = distance(penalised, 5)
    distance(normalised, 5)
    penalised.set("lipschitz", "gradient_penalty")
    normalised.set("lipschitz", "spectral_norm")
    assert distance(penalised, 35) == pytest.approx(start, rel=0.001)
    assert distance(normalised, 35) < 0.8 * start


def test_a_warmup_counts_the_training_s_steps_on_both_networks() -> None:
    """The critic is updated five times a step: its own updates would be through with a warm-up of ten steps after two."""
    training = session()
    measured(training)
    training.set("warmup", 10)
    for step in range(1, 13):
        found = measured(training)
        rates = [learner.optimizer.param_groups[0]["lr"] for learner in training.learners]
        assert rates == [pytest.approx(5e-5 * min(1.0, step / 10))] * 2
        assert found.lr == rates[0]
