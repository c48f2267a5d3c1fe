"""One training in the lab: network, data, optimizer and probe, a step at a time, with toggles applied between steps.

A step is the loop that everyone writes, in the order that keeps the numbers honest: the data loss's gradients are
measured before the regulariser adds its own and before clipping changes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradtui.lab import data, models, optimizers, surgery, toggles
from gradtui.lab.scenario import Scenario
from gradtui.probe import Probe
from gradtui.stream.events import Numbers, Value

EVALUATE_EVERY = 50
"""Steps between two looks at the test set."""


@dataclass(frozen=True)
class Measured:
    """What a frame needs of one step."""

    loss: float
    total_norm: float
    clipped_norm: float
    layers: dict[str, Numbers]


class Session:
    """A scenario being trained. Not thread-safe: commands reach it between two steps."""

    def __init__(self, scenario: Scenario, settings: Mapping[str, Value], seed: int, device: torch.device) -> None:
        self.scenario = scenario
        self.settings: dict[str, Value] = dict(settings)
        self.step = 0
        self.metrics: dict[str, float] = {}
        torch.manual_seed(seed)
        self.data = data.load(scenario.data).to(device)
        self.model = models.build(scenario, self.settings, self.data).to(device)
        surgery.set_norm(self.model, str(self.settings.get("batch_norm", "off")))
        surgery.set_skip(self.model, str(self.settings.get("skip", "off")))
        self.batches = self.data.batches(int(self.settings["batch"]), seed)
        self.optimizer = optimizers.build(self.settings, self.model.parameters())
        self.probe = Probe(self.model)
        self._discover()

    # -- toggles ---------------------------------------------------------------------------------------------------

    def set(self, key: str, value: Value) -> tuple[Value, str]:
        """Bring a toggle into force; returns the value as kept and a note. Raises SettingError."""
        value = toggles.check(self.scenario, key, value)
        toggle = toggles.declared(key)
        self.settings[key] = value
        if not toggle.live:
            return value, "in force at the next restart"
        return value, toggle.apply(self, value)

    def set_norm(self, kind: str) -> str:
        surgery.set_norm(self.model, kind)
        self._changed()
        return "" if kind == "off" else "running statistics start afresh"

    def set_skip(self, kind: str) -> str:
        surgery.set_skip(self.model, kind)
        return ""

    def set_activation(self) -> str:
        surgery.swap_activations(self.model, self.settings)
        self._changed()
        return ""

    def reinitialise(self) -> str:
        surgery.reinitialise(self.model, self.settings)
        self.rebuild_optimizer()
        return "weights drawn anew"

    def set_sigma_w(self) -> str:
        return self.reinitialise() if self.settings["init"] in ("gaussian", "constant") else "in force with init=gaussian or constant"

    def rebuild_optimizer(self) -> str:
        self.optimizer = optimizers.build(self.settings, self.model.parameters())
        return "optimizer state starts afresh"

    def set_lr(self) -> str:
        for group in self.optimizer.param_groups:
            group["lr"] = float(self.settings["lr"])
        return ""

    def _changed(self) -> None:
        """Modules came or went: the optimizer and the probe look again."""
        optimizers.adopt(self.optimizer, self.model.parameters())
        self._discover()

    def _discover(self) -> None:
        self.model.eval()  # a look must not move the running statistics
        with torch.no_grad(), self.probe.discovering():
            self.model(self.data.test_x[:2])
        self.model.train()

    # -- one step --------------------------------------------------------------------------------------------------

    def take_step(self, *, measure: bool) -> Measured | None:
        """Train on one batch; with `measure`, also the statistics of a frame."""
        x, y = next(self.batches)
        if measure:
            self.probe.arm()
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        self.probe.measure_gradients()
        penalty = self._penalty()
        if measure:
            self.probe.measure_penalty(penalty)
        for parameter, gradient in penalty.items():
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        total_norm = self._total_norm() if measure else None
        self._clip()
        measured = None
        if measure:
            clipped_norm = self._total_norm()
            self.probe.before_update()
        self.optimizer.step()
        if total_norm is not None:
            scalars = torch.stack([loss.detach().double(), total_norm.double(), clipped_norm.double()]).tolist()
            measured = Measured(scalars[0], scalars[1], scalars[2], self.probe.collect())
        self.step += 1
        return measured

    def _weights(self) -> list[nn.Parameter]:
        """What L1 and L2 act on: weights, not biases or a normalisation's scale and shift."""
        return [parameter for parameter in self.model.parameters() if parameter.ndim >= 2]

    @torch.no_grad()
    def _penalty(self) -> dict[nn.Parameter, Tensor]:
        """The gradient of λ₁·Σ|w| + λ₂·Σw² for each weight; empty when both strengths are 0."""
        l1, l2 = float(self.settings["l1"]), float(self.settings["l2"])
        if not l1 and not l2:
            return {}
        return {weight: l1 * weight.sign() + 2 * l2 * weight for weight in self._weights()}

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]

    def _total_norm(self) -> Tensor:
        return nn.utils.get_total_norm(self._gradients())

    def _clip(self) -> None:
        threshold = float(self.settings["clip_threshold"])
        match self.settings["clip"]:
            case "norm":
                nn.utils.clip_grad_norm_(self.model.parameters(), threshold)
            case "value":
                nn.utils.clip_grad_value_(self.model.parameters(), threshold)

    # -- the test set ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self) -> None:
        """Update `metrics` on the test set."""
        self.model.eval()
        right = self.model(self.data.test_x).argmax(1) == self.data.test_y
        self.metrics = {"accuracy": right.float().mean().item()}
        self.model.train()
