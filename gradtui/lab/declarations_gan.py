"""The toggles of a Wasserstein GAN's critic: how its slope is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gradtui.lab.declaration import Declaration, Settings, needs, waits_for

if TYPE_CHECKING:
    from gradtui.lab.critic import Critic
    from gradtui.lab.learner import Learner

_CRITIC_ONLY = needs({"wgan"}, "{model} has no critic whose slope is to be bounded")


def _set_lipschitz(learner: Learner, _: Settings) -> str:
    stay_small = cast("Critic", learner).set_lipschitz()
    return "weights stay as small as they were clipped; a restart, or init, draws them anew" if stay_small else ""


def _set_weight_clip(learner: Learner, settings: Settings) -> str:
    if settings["lipschitz"] != "clip_weights":
        return "in force with lipschitz=clip_weights"
    return _set_lipschitz(learner, settings)


LIPSCHITZ = Declaration(
    "lipschitz",
    "Lipschitz",
    "How the critic's slope is bounded: `clip_weights` to ±c (Arjovsky 2017), `gradient_penalty` (Gulrajani 2017), `spectral_norm`"
    " (Miyato 2018).",
    default="off",
    choices=("off", "clip_weights", "gradient_penalty", "spectral_norm"),
    hotkey="z",
    applies=_CRITIC_ONLY,
    apply=_set_lipschitz,
)
WEIGHT_CLIP = Declaration(
    "weight_clip",
    "weight clip c",
    "Of lipschitz=clip_weights: every parameter of the critic is clamped to ±c. δ grows by about c·√(N/2) per ReLU layer of width N.",
    default=0.01,
    minimum=1e-9,
    maximum=1e3,
    hotkey="x",
    applies=_CRITIC_ONLY,
    apply=_set_weight_clip,
)
PENALTY_WEIGHT = Declaration(
    "penalty_weight",
    "penalty λ",
    "Of lipschitz=gradient_penalty: λ·E(‖∇D‖ − 1)² between real and generated points; its gradient is measured apart.",
    default=1.0,
    maximum=1e4,
    hotkey="y",
    applies=_CRITIC_ONLY,
    apply=waits_for("lipschitz=gradient_penalty", lambda settings: settings["lipschitz"] == "gradient_penalty"),
)
