"""The lab's networks, built from the toggles' settings.

They are ordinary modules: the probe finds their layers by itself. A block keeps its normalisation in `norm`, its
non-linearity in `activation` and its skip's weight in `branch`, so that toggles can swap each of them live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from gradtui.lab.data import Dataset
from gradtui.lab.families import is_own, resolved
from gradtui.lab.models import own
from gradtui.lab.models.bag import build_bag
from gradtui.lab.models.gan import build_gan
from gradtui.lab.models.mlp import build_mlp
from gradtui.lab.models.resnet import build_resnet
from gradtui.lab.models.rnn import build_rnn
from gradtui.lab.models.transformer import build_transformer
from gradtui.lab.scenario import Scenario
from gradtui.stream.events import Value

Options = Mapping[str, int | float]

BUILDERS: Mapping[str, Callable[[Mapping[str, Value], Options, Dataset], nn.Module]] = {
    "mlp": build_mlp,
    "bag": build_bag,
    "rnn": build_rnn,
    "transformer": build_transformer,
    "resnet": build_resnet,
    "wgan": build_gan,
}


def build(scenario: Scenario, settings: Mapping[str, Value], data: Dataset) -> nn.Module:
    """The scenario's network with `settings` in force, weights drawn from torch's global generator. Raises SettingError."""
    if is_own(scenario.model):
        return own.build(scenario.model, scenario.options)
    return BUILDERS[scenario.model](settings, resolved(scenario.model, scenario.options), data)
