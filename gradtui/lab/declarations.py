"""Every toggle, declared once.

The table serves the screen, `--set`, `--at`, `gradtui show`, scenario files, the doctor and the trainer. Applying needs
torch, so a declaration calls a method of the learner; nothing here imports torch, and the CLI can check a setting before
any trainer has started.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gradtui.lab.declaration import OWN_NORMS, Declaration, Settings, needs, waits_for
from gradtui.lab.declarations_gan import LIPSCHITZ, PENALTY_WEIGHT, WEIGHT_CLIP
from gradtui.lab.declarations_sequence import CELL, FORGET_BIAS, LAYER_NORM, LEAKY_STATE, WARMUP
from gradtui.lab.declarations_setup import DATA, LOSS_SCALE, PRECISION
from gradtui.lab.families import is_own

if TYPE_CHECKING:
    from gradtui.lab.learner import Learner
    from gradtui.lab.scenario import Scenario


def _set_norm(learner: Learner, settings: Settings) -> str:
    learner.set_norm()
    fresh = {"off": "", "on": "scale, shift and running statistics start afresh"}
    return fresh.get(str(settings["batch_norm"]), "running statistics start afresh")


def _set_norm_scale(learner: Learner, settings: Settings) -> str:
    learner.set_norm_scale()
    return "γ set afresh" if settings["batch_norm"] == "on" else "in force with batch_norm=on"


def _bypass_norms(learner: Learner, _: Settings) -> str:
    learner.bypass_norms()
    return ""


def _set_skip(learner: Learner, _: Settings) -> str:
    learner.set_skip()
    return ""


def _set_activation(learner: Learner, _: Settings) -> str:
    learner.set_activation()
    return ""


def _set_leaky_slope(learner: Learner, settings: Settings) -> str:
    learner.set_activation()
    return "" if settings["activation"] == "leaky_relu" else "in force with activation=leaky_relu"


def _reinitialise(learner: Learner, settings: Settings) -> str:
    learner.reinitialise()
    drawn = "weights drawn anew, optimizer state starts afresh"
    return drawn if settings.get("cell", "rnn") == "rnn" else f"{drawn}; those of gates orthogonal whatever init says"


def _set_sigma_w(learner: Learner, settings: Settings) -> str:
    if settings["init"] in ("gaussian", "constant"):
        return _reinitialise(learner, settings)
    return "in force with init=gaussian or constant"


def _rebuild_optimizer(learner: Learner, _: Settings) -> str:
    learner.rebuild_optimizer()
    return "optimizer state starts afresh"


def _set_lr(learner: Learner, _: Settings) -> str:
    learner.set_lr()
    return ""


def _draws_its_own_weights(scenario: Scenario) -> str:
    return "a network of your own draws its weights itself" if is_own(scenario.model) else ""


def _activations_of(toggle: Declaration, scenario: Scenario) -> Declaration:
    return dataclasses.replace(toggle, choices=("own", *toggle.choices), default="own") if is_own(scenario.model) else toggle


def _inits_of(toggle: Declaration, scenario: Scenario) -> Declaration:
    """The identity is a start for recurrent weights (Le 2015); elsewhere it would make all layers alike."""
    return dataclasses.replace(toggle, choices=(*toggle.choices, "identity")) if scenario.model == "rnn" else toggle


ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "identity")
INITS = ("xavier", "he", "lecun", "orthogonal", "gaussian", "zeros", "constant")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")

_NORMALISED = needs({"mlp", "resnet", "wgan"}, "{model} has no batch normalisation here", OWN_NORMS)

TOGGLES: tuple[Declaration, ...] = (
    Declaration(
        "clip",
        "clipping",
        "Gradient clipping: `norm` rescales the whole gradient to the threshold (Pascanu 2013), `value` clamps every entry to it.",
        default="off",
        choices=("off", "norm", "value"),
        hotkey="c",
    ),
    Declaration(
        "clip_threshold",
        "clip at",
        "The largest norm, or the largest entry, that clipping lets through.",
        default=1.0,
        minimum=1e-12,
        maximum=1e12,
        hotkey="t",
        apply=waits_for("clip=norm or value", lambda settings: settings["clip"] != "off"),
    ),
    Declaration(
        "batch_norm",
        "batch norm",
        "Batch normalisation before each non-linearity (Ioffe 2015); `no_affine` leaves out its scale and shift.",
        default="off",
        choices=("off", "on", "no_affine"),
        hotkey="n",
        applies=_NORMALISED,
        apply=_set_norm,
    ),
    Declaration(
        "norm_scale",
        "γ₀",
        "What batch norm's learnt scale γ starts at; small keeps a tanh in its linear part, large drives it out.",
        default=1.0,
        maximum=1e3,
        applies=_NORMALISED,
        apply=_set_norm_scale,
    ),
    Declaration(
        "norm_bypass",
        "norm bypass",
        "Lets the normalisations of a network of your own return their input; switched off again, they go on as they were.",
        default="off",
        choices=("off", "on"),
        applies=lambda scenario: "" if is_own(scenario.model) else "it is for a network of your own; batch_norm is this one's",
        apply=_bypass_norms,
    ),
    LAYER_NORM,
    Declaration(
        "skip",
        "skip",
        "Residual connections (He 2016): `plain` adds x + f(x), `scaled` adds x + f(x)/√L.",
        default="off",
        choices=("off", "scaled", "plain"),
        hotkey="s",
        applies=needs({"mlp", "resnet", "wgan"}, "{model} has no place for a skip here"),
        apply=_set_skip,
    ),
    CELL,
    FORGET_BIAS,
    LEAKY_STATE,
    Declaration(
        "activation",
        "activation",
        "The non-linearity after every hidden layer.",
        default="relu",
        choices=ACTIVATIONS,
        hotkey="a",
        apply=_set_activation,
        adapt=_activations_of,
    ),
    Declaration(
        "leaky_slope",
        "leaky slope",
        "Leaky ReLU's slope for negative inputs.",
        default=0.01,
        minimum=0,
        maximum=1,
        apply=_set_leaky_slope,
    ),
    Declaration(
        "init",
        "init",
        "How weights are drawn: xavier (Glorot 2010), he (He 2015), lecun, orthogonal, gaussian (N(0, σ_w²/fan_in)), zeros, constant."
        " Setting it draws them anew.",
        default="xavier",
        choices=INITS,
        hotkey="i",
        applies=_draws_its_own_weights,
        apply=_reinitialise,
        adapt=_inits_of,
    ),
    Declaration(
        "sigma_w",
        "σ_w",
        "Of init=gaussian: σ_w² = fan_in · Var W. Xavier on square layers is 1, He √2.",
        default=1.0,
        maximum=1e3,
        applies=_draws_its_own_weights,
        apply=_set_sigma_w,
    ),
    Declaration(
        "l1",
        "L1",
        "Strength λ of λ·Σ|w| in the loss; its gradient is measured apart.",
        default=0.0,
        maximum=1e3,
        hotkey="1",
    ),
    Declaration(
        "l2",
        "L2",
        "Strength λ of λ·Σw² in the loss; its gradient is measured apart.",
        default=0.0,
        maximum=1e3,
        hotkey="2",
    ),
    Declaration(
        "regularisation",
        "L1/L2 in",
        "Whether L1 and L2 add to the loss's gradient, or are decoupled: they shrink the weights apart from it (Loshchilov 2019).",
        default="loss",
        choices=("loss", "decoupled"),
        apply=waits_for("l1 or l2", lambda settings: bool(settings["l1"] or settings["l2"])),
    ),
    LIPSCHITZ,
    WEIGHT_CLIP,
    PENALTY_WEIGHT,
    Declaration(
        "optimizer",
        "optimizer",
        "The update rule; changing it starts its state afresh and keeps the learning rate.",
        default="momentum",
        choices=OPTIMIZERS,
        hotkey="o",
        apply=_rebuild_optimizer,
    ),
    Declaration("lr", "lr", "The learning rate.", default=0.01, maximum=1e7, hotkey="e", apply=_set_lr),
    WARMUP,
    Declaration(
        "depth",
        "depth",
        "Hidden layers.",
        default=8,
        minimum=1,
        maximum=1000,
        whole=True,
        live=False,
        applies=needs({"mlp", "wgan", "transformer"}, "the depth of {model} is its own"),
    ),
    Declaration(
        "width",
        "width",
        "Units in each hidden layer.",
        default=64,
        minimum=1,
        maximum=4096,
        whole=True,
        live=False,
        applies=needs({"mlp", "bag", "wgan", "rnn", "transformer"}, "the width of {model} is its own"),
    ),
    PRECISION,
    LOSS_SCALE,
    DATA,
    Declaration("batch", "batch", "Examples in a batch.", default=64, minimum=2, maximum=4096, whole=True, live=False),
    Declaration("pace", "pace", "Steps a second, so that an eye can follow; 0: as fast as it goes.", default=0.0, maximum=1e6, hotkey="p"),
)
