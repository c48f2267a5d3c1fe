"""One network with its optimizer and its probe, updated a step at a time.

An update is the loop that everyone writes, in the order that keeps the numbers honest: the data loss's gradients are
measured before the regulariser adds its own, and both before clipping changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from gradtui.lab import optimizers, precision, surgery
from gradtui.lab.learner_state import LearnerState, copied, put_tensors, tensors
from gradtui.lab.models import parts
from gradtui.probe import Probe
from gradtui.stream.events import Frame, Numbers, Value

if TYPE_CHECKING:
    from gradtui.lab.models.rnn import RNN

Gradients = Mapping[nn.Parameter, Tensor]
NO_GRADIENTS: Gradients = {}


@dataclass(frozen=True)
class Measured:
    """What a frame needs of one update."""

    loss: float
    total_norm: float
    clipped_norm: float
    lr: float
    """The learning rate of this update, warm-up included."""
    layers: dict[str, Numbers]

    def frame(self, step: int, metrics: Mapping[str, float], time: float = 0.0, steps_per_second: float | None = None) -> Frame:
        """The event that tells of it; `time` in seconds since the training began."""
        return Frame(
            step=step,
            time=time,
            loss=self.loss,
            metrics=dict(metrics),
            lr=self.lr,
            steps_per_second=steps_per_second,
            total_norm=self.total_norm,
            clipped_norm=self.clipped_norm,
            **self.layers,
        )


class Learner:
    """A network that learns. `settings` is the session's own dict: toggles written there are read at the next update."""

    updates_a_step = 1
    """A warm-up is counted in the training's steps."""

    def __init__(self, model: nn.Module, settings: Mapping[str, Value], look: Callable[[nn.Module], object], group: str = "") -> None:
        """`look` runs one forward of the model, for the probe to find its layers; `group` is theirs, where networks are several."""
        self.model = model
        self._settings = settings
        self._look = look
        if "batch_norm" in settings:
            surgery.set_norm(model, settings)
        surgery.set_layer_norm(model, str(settings.get("layer_norm", "off")))
        surgery.set_skip(model, str(settings.get("skip", "off")))
        # A user's own network comes as it was built; the lab's families build theirs with the toggles in force.
        if "norm_bypass" in settings and settings["activation"] != parts.OWN:
            surgery.swap_activations(model, settings)
        if settings.get("norm_bypass") == "on":
            surgery.bypass_norms(model, bypassed=True)
        self._parameters = list(model.parameters())
        self.optimizer = optimizers.build(settings, self._parameters)
        self._updates = self._warmup_began = 0
        self.probe = Probe({group: model})
        self._discover()

    def update(self, compute_loss: Callable[[], Tensor], *, measure: bool, penalty: Gradients = NO_GRADIENTS) -> Measured | None:
        """One step down the gradient of what `compute_loss` returns; with `measure`, also a frame's statistics of it.

        `penalty` holds the gradients of a further term of the loss, measured with the regulariser's share.
        """
        if measure:
            self.probe.arm()
        self.set_lr()
        self._updates += 1
        for parameter in self._parameters:
            parameter.grad = None
        scale = precision.loss_scale(self._settings)
        with precision.autocast(self._settings, self.device):
            loss = compute_loss()
        (loss * scale if scale != 1 else loss).backward()  # type: ignore[no-untyped-call]
        precision.unscale(self._parameters, scale)
        self.probe.measure_gradients(precision.smallest_normal(self._settings) if measure else None)
        regulariser = self._regulariser()
        if measure:
            self.probe.measure_penalty(_sum(regulariser, penalty))
        in_loss = _sum(regulariser, penalty) if self._settings["regularisation"] == "loss" else penalty
        for parameter, gradient in in_loss.items():
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        if not measure:
            self._clip()
            self._shrink(regulariser)
            self._descend()
            return None
        total_norm = clipped_norm = self._total_norm()
        if self._settings["clip"] != "off":
            self._clip()
            clipped_norm = self._total_norm()
        scalars = torch.stack([loss.detach().double(), total_norm.double(), clipped_norm.double()])
        self.probe.before_update()
        self._shrink(regulariser)
        self._descend()
        layers = self.probe.collect()
        layers["delta_rms"] = precision.unscaled(layers["delta_rms"], scale)
        loss_value, total, clipped = scalars.tolist()
        return Measured(loss_value, total, clipped, self.optimizer.param_groups[0]["lr"], layers)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._parameters[0].device

    def state(self) -> LearnerState:
        """All that its next update depends on beside the settings, copied."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.model.named_parameters()}
        return LearnerState(
            tensors=tensors(self.model),
            parameters=[names[parameter] for parameter in self._parameters],
            optimizer={names[parameter]: copied(values) for parameter, values in self.optimizer.state.items()},
            updates=self._updates,
            warmup_began=self._warmup_began,
        )

    def load(self, state: LearnerState) -> None:
        """Go on from `state`, taken of a learner of the same network under the settings in force here, on whatever device."""
        put_tensors(self.model, state.tensors)
        found = dict(self.model.named_parameters())
        # In their order then: spectral normalisation taken off leaves another, and norms are summed in it.
        self._parameters = [found[name] for name in state.parameters]
        self.rebuild_optimizer()
        kept = {place: copied(state.optimizer[name]) for place, name in enumerate(state.parameters) if name in state.optimizer}
        # By torch's own hand, which knows what of it belongs on the parameters' device and what (Adam's count) does not.
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": kept})
        self._updates, self._warmup_began = state.updates, state.warmup_began

    # -- toggles ---------------------------------------------------------------------------------------------------

    def set_norm(self) -> None:
        surgery.set_norm(self.model, self._settings)
        self._changed()

    def set_norm_scale(self) -> None:
        surgery.set_norm_scale(self.model, self._settings)

    def bypass_norms(self) -> None:
        surgery.bypass_norms(self.model, bypassed=self._settings["norm_bypass"] == "on")

    def set_skip(self) -> None:
        surgery.set_skip(self.model, str(self._settings["skip"]))

    def set_activation(self) -> None:
        surgery.swap_activations(self.model, self._settings)
        self._changed()

    def reinitialise(self) -> None:
        surgery.reinitialise(self.model, self._settings)
        self.rebuild_optimizer()

    def rebuild_optimizer(self) -> None:
        self.optimizer = optimizers.build(self._settings, self._parameters)

    def set_layer_norm(self) -> None:
        surgery.set_layer_norm(self.model, str(self._settings["layer_norm"]))
        self._changed()

    def set_cell(self) -> None:
        cast("RNN", self.model).set_cell(self._settings)
        self._changed()

    def set_gate_bias(self) -> None:
        cast("RNN", self.model).cell.set_gate_bias(float(self._settings["forget_bias"]))

    def set_leak(self) -> None:
        cast("RNN", self.model).cell.leak = float(self._settings["leaky_state"])

    def start_warmup(self) -> None:
        self._warmup_began = self._updates

    def set_lr(self) -> None:
        """Bring the learning rate of the next update into force, as far as a warm-up lets it."""
        warmup = int(self._settings["warmup"])
        steps = (self._updates - self._warmup_began) // self.updates_a_step
        share = min(1.0, (steps + 1) / warmup) if warmup else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = share * float(self._settings["lr"])

    def _changed(self) -> None:
        """Modules came or went: the optimizer and the probe look again."""
        self._parameters = list(self.model.parameters())
        optimizers.adopt(self.optimizer, self._parameters)
        self._discover()

    def _discover(self) -> None:
        self.model.eval()  # a look must not move the running statistics
        with torch.no_grad(), self.probe.discovering():
            self._look(self.model)
        self.model.train()

    # -- regularisation and clipping -------------------------------------------------------------------------------

    def _regulariser(self) -> Gradients:
        """The gradient of λ₁·Σ|w| + λ₂·Σw² for each weight (not for biases, a normalisation's scale and shift, nor what is frozen)."""
        l1, l2 = float(self._settings["l1"]), float(self._settings["l2"])
        if not l1 and not l2:
            return NO_GRADIENTS
        with torch.no_grad():
            weights = [weight for weight in self._parameters if weight.ndim >= 2 and weight.requires_grad]
            return {weight: l1 * weight.sign() + 2 * l2 * weight for weight in weights}

    def _shrink(self, penalty: Mapping[nn.Parameter, Tensor]) -> None:
        """Decoupled, the penalty is subtracted as AdamW subtracts it: past clipping, momentum and adaptive scaling."""
        if penalty and self._settings["regularisation"] == "decoupled":
            with torch.no_grad():
                for weight, gradient in penalty.items():
                    weight.sub_(gradient, alpha=self.optimizer.param_groups[0]["lr"])

    def _descend(self) -> None:
        self.optimizer.step()

    def _total_norm(self) -> Tensor:
        return nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])

    def _clip(self) -> None:
        threshold = float(self._settings["clip_threshold"])
        match self._settings["clip"]:
            case "norm":
                nn.utils.clip_grad_norm_(self._parameters, threshold)
            case "value":
                nn.utils.clip_grad_value_(self._parameters, threshold)


def _sum(a: Gradients, b: Gradients) -> Gradients:
    """Both; a parameter that has two gradients gets a new one, since the two are kept apart."""
    return {**a, **b, **{parameter: a[parameter] + b[parameter] for parameter in a.keys() & b.keys()}}
