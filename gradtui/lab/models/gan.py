"""A Wasserstein GAN's two networks, both MLPs: a deep critic, which the toggles change, and a small generator, which they leave."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from gradtui.lab.data import Dataset
from gradtui.lab.models.mlp import MLP
from gradtui.stream.events import Value

GENERATOR: Mapping[str, Value] = {
    "activation": "relu",
    "init": "he",
    "batch_norm": "off",
    "skip": "off",
    "clip": "off",
    "l1": 0.0,
    "l2": 0.0,
}
"""What the generator keeps, whatever the toggles say of the critic."""


def build_gan(settings: Mapping[str, Value], options: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """`critic` scores points like `data`'s; `generator` makes such points of `latent` Gaussian numbers."""
    features = data.train_x[0].numel()
    shape = {"depth": int(options["generator_depth"]), "width": int(options["generator_width"])}
    critic = MLP(features, 1, settings)
    generator = MLP(int(options["latent"]), features, {**settings, **GENERATOR, **shape})
    return nn.ModuleDict({"critic": critic, "generator": generator})
