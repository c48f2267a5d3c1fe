"""Mean-field theory against closed values, published measurements of this product's small networks, and itself."""

from __future__ import annotations

import math

import pytest

from gradtui.diagnose.activations import ACTIVATIONS, Activation, leaky_relu
from gradtui.diagnose.theory import Convolution, Initial, clipped, convolutional, dense, recurrent


def total(name: str, sigma_w: float, depth: int, *, batch_norm: bool = False, branch: float = 0.0) -> float:
    """Predicted decades from the last of `depth` equal layers back to the first."""
    return dense(ACTIVATIONS[name], [Initial(sigma_w)] * depth, batch_norm=batch_norm, branch=branch)[0]


def chi(name: str, sigma_w: float, input_variance: float = 0.0) -> float:
    """The factor in variance per layer at the fixed point."""
    q = 1.0
    for _ in range(400):
        q = sigma_w**2 * ACTIVATIONS[name].moments(q).square + input_variance
    return sigma_w**2 * ACTIVATIONS[name].moments(q).slope_square


def growth(activation: Activation, gamma: float = 1.0) -> float:
    """Batch normalisation's growth per layer, in variance, from a profile of two layers."""
    logs = dense(activation, [Initial(1.0)] * 3, batch_norm=True, gamma=gamma)
    return float(10 ** (2 * (logs[1] - logs[2])))


@pytest.mark.parametrize(
    ("name", "sigma_w", "closed"),
    [
        ("sigmoid", 1.0, 0.0557),
        ("sigmoid", 4.0, 0.399),
        ("tanh", 0.5, 0.25),
        ("tanh", 0.8, 0.64),
        ("tanh", 1.5, 1.139),
        ("tanh", 2.0, 1.363),
        ("tanh", 3.0, 1.860),
        ("relu", 1.3, 1.3**2 / 2),
        ("identity", 1.1, 1.21),
    ],
)
def test_the_factor_at_the_fixed_point(name: str, sigma_w: float, closed: float) -> None:
    """Poole 2016, Schoenholz 2017. Catches a wrong moment, derivative or quadrature weight."""
    assert chi(name, sigma_w) == pytest.approx(closed, abs=6e-4)


def test_the_leaky_relus_factor() -> None:
    slopes = leaky_relu(0.2).moments(3.7)
    assert slopes.slope_square == pytest.approx((1 + 0.2**2) / 2, abs=1e-12)
    assert slopes.square == pytest.approx(3.7 * (1 + 0.2**2) / 2, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "gamma", "expected"),
    [
        ("relu", 1.0, math.pi / (math.pi - 1)),
        ("tanh", 1.0, 1.178),
        ("gelu", 1.0, 1.319),
        ("sigmoid", 1.0, 1.034),
        ("identity", 1.0, 1.0),
        ("tanh", 0.3, 1.007),
        ("tanh", 3.0, 2.104),
    ],
)
def test_batch_normalisation_always_grows(name: str, gamma: float, expected: float) -> None:
    """Yang 2019. Catches E φ² for Var φ, and a scale that does not act on the slope."""
    assert growth(ACTIVATIONS[name], gamma) == pytest.approx(expected, abs=6e-4)


def test_leaky_batch_normalisation_growth() -> None:
    assert growth(leaky_relu(0.2)) == pytest.approx(1.243, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "sigma_w", "depth", "decades"),
    [
        ("sigmoid", 1.0, 8, -4.44),
        ("sigmoid", 4.0, 8, -1.50),
        ("tanh", 0.5, 20, -5.81),
        ("tanh", 1.0, 20, -0.71),
        ("tanh", 3.0, 20, 2.52),
        ("tanh", 1.0, 30, -0.80),
        ("relu", 0.5, 20, -8.58),
        ("relu", 1.0, 30, -4.37),
        ("relu", math.sqrt(2), 30, 0.0),
        ("relu", 2.0, 20, 2.86),
        ("elu", 1.0, 30, -1.00),
    ],
)
def test_totals_of_networks_that_were_measured(name: str, sigma_w: float, depth: int, decades: float) -> None:
    """Layer by layer: the fixed point instead would miss tanh at 1 and ELU by their slow approach to it."""
    assert total(name, sigma_w, depth) == pytest.approx(decades, abs=0.02)


def test_batch_normalised_total() -> None:
    assert total("relu", math.sqrt(2), 50, batch_norm=True) == pytest.approx(4.08, abs=0.02)
    # independent of how the weights are drawn
    assert total("relu", 0.1, 50, batch_norm=True) == pytest.approx(total("relu", 3.0, 50, batch_norm=True), abs=1e-9)


def test_a_plain_skip_doubles_a_relus_gradient_variance_in_every_block() -> None:
    """1 + a²χ per block: 2 for plain, 1 + 1/L scaled. Between two layers under skips the slope of φ is the same, so the ratio is g's."""
    plain = dense(ACTIVATIONS["relu"], [Initial(math.sqrt(2))] * 20, branch=1.0)
    assert 10 ** (2 * (plain[5] - plain[6])) == pytest.approx(2.0, rel=1e-9)
    scaled = dense(ACTIVATIONS["relu"], [Initial(math.sqrt(2))] * 20, branch=1 / math.sqrt(20))
    assert 10 ** (2 * (scaled[5] - scaled[6])) == pytest.approx(1.05, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "sigma_w", "depth", "batch_norm", "branch", "measured"),
    [
        ("tanh", 0.5, 20, False, 1.0, 0.8),
        ("tanh", 0.5, 20, False, 1 / math.sqrt(20), 0.6),
        ("relu", math.sqrt(2), 50, True, 1 / math.sqrt(50), 1.1),
        ("sigmoid", 1.0, 8, False, 1.0, 0.2),
        ("sigmoid", 2.0, 20, False, 1.0, 0.62),
    ],
)
def test_skips_that_were_measured(name: str, sigma_w: float, depth: int, batch_norm: bool, branch: float, measured: float) -> None:
    """Catches a branch's weight that does not act on its own delta, and a first layer with a skip: each costs half a decade; and, in
    the last case (400 units, mean of four seeds), the part of the forward variance that the activations' means add up to."""
    assert total(name, sigma_w, depth, batch_norm=batch_norm, branch=branch) == pytest.approx(measured, abs=0.1)


def test_a_profile_is_relative_to_its_last_layer_and_has_one_number_each() -> None:
    logs = dense(ACTIVATIONS["relu"], [Initial(1.0)] * 4)
    assert logs == pytest.approx([-1.5 * math.log10(2), -math.log10(2), -0.5 * math.log10(2), 0.0])


def test_biases_move_the_fixed_point() -> None:
    """tanh at (1.3, 0.3): catches a variance of the biases that is left out."""
    without = dense(ACTIVATIONS["tanh"], [Initial(1.3)] * 30)[0]
    with_biases = dense(ACTIVATIONS["tanh"], [Initial(1.3, 0.3)] * 30)[0]
    assert with_biases < without - 0.5


def test_recurrence_follows_chi_and_not_the_spectral_radius() -> None:
    """tanh at 1.5 with inputs: rho² is 2.25 and it vanishes all the same."""
    assert chi("tanh", 1.5, input_variance=0.25) == pytest.approx(0.967, abs=1e-3)
    logs = recurrent(ACTIVATIONS["tanh"], Initial(1.5), [0.25] * 60)
    assert logs[20] - logs[21] == pytest.approx(math.log10(0.967) / 2, abs=3e-4)
    assert logs[-1] == 0.0


@pytest.mark.parametrize(("sigma_w", "decades"), [(2.0, 2.21), (0.7, -5.45)])
def test_recurrent_totals(sigma_w: float, decades: float) -> None:
    """Over 29 steps with inputs of variance .05; the published totals differ in the first step's."""
    assert recurrent(ACTIVATIONS["tanh"], Initial(sigma_w), [0.05] * 30)[0] == pytest.approx(decades, abs=0.06)


@pytest.mark.parametrize(("limit", "slope"), [(0.001, -2.247), (0.01, -1.247), (0.03, -0.770), (0.3, 0.230), (1.0, 0.753)])
def test_clipped_critics(limit: float, slope: float) -> None:
    """log10(c·√(N/2)) decades per layer for weights on the bound ±c (Gulrajani 2017, figure 1b)."""
    logs = dense(ACTIVATIONS["relu"], [clipped(limit, 64)] * 8)
    assert (logs[0] - logs[-1]) / 7 == pytest.approx(slope, abs=1e-3)


def padded(blocks: int, activation: str = "relu", sigma_w: float = math.sqrt(2)) -> float:
    """Decades of a plain CIFAR-style network of 6·blocks+1 convolutions on 8×8 images."""
    drawn = Initial(sigma_w)
    maps = [Convolution(drawn, 8, 1)] * (2 * blocks + 1)
    maps += [Convolution(drawn, 4, 2, stride=2)] + [Convolution(drawn, 4, 2)] * (2 * blocks - 1)
    maps += [Convolution(drawn, 2, 4, stride=2)] + [Convolution(drawn, 2, 4)] * (2 * blocks - 1)
    return convolutional(ACTIVATIONS[activation], 8, maps)[0]


def test_zero_padding_loses_its_average_factor_between_uniform_maps() -> None:
    """((3s-2)/(3s))² of the taps are left; one convolution below a uniform gradient loses exactly that."""
    for side in (8, 4, 2):
        logs = convolutional(ACTIVATIONS["identity"], side, [Convolution(Initial(1.0), side, 1)] * 2)
        assert 10 ** (2 * logs[0]) == pytest.approx(((3 * side - 2) / (3 * side)) ** 2, rel=1e-9)


@pytest.mark.parametrize(("blocks", "wide"), [(3, -1.714), (5, -2.743), (9, -4.80)])
def test_padding_vanishes_as_wide_networks_do(blocks: int, wide: float) -> None:
    """Against networks of 64 to 256 channels, mean of four seeds. The average factor alone gives -5.28 for the deepest."""
    assert padded(blocks) == pytest.approx(wide, abs=0.08)


def test_padding_with_a_saturating_activation() -> None:
    """48 to 192 channels, mean of three seeds: here the variance at the border matters too."""
    assert padded(5, "tanh", 1.5) == pytest.approx(-0.556, abs=0.05)
