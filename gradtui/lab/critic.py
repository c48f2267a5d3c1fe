"""A Wasserstein GAN's critic: a learner whose slope has to stay bounded, and the three ways of bounding it.

The dual form of the Wasserstein distance asks for a critic of slope 1 at most. Clipping every weight to ±c (Arjovsky 2017)
bounds it and multiplies δ by about c·√(N/2) in every ReLU layer of width N, so that a deep critic vanishes below
c = √(2/N). A penalty on the slope between real and generated points (Gulrajani 2017) leaves the weights alone. Spectral
normalisation (Miyato 2018) divides every matrix by its largest singular value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from gradtui.lab.learner import NO_GRADIENTS, Gradients, Learner, Measured
from gradtui.stream.events import Value

AT_BOUND = 0.99
"""Of c: a weight beyond it counts as clipped. The optimizer moves even a clipped weight a little before it is clipped again."""


class Critic(Learner):
    """Learns to score real points above generated ones. The toggle `lipschitz` says how its slope is bounded."""

    def __init__(self, model: nn.Module, settings: Mapping[str, Value], look: Callable[[nn.Module], object], seed: int) -> None:
        super().__init__(model, settings, look, group="critic")
        self._bound = math.inf
        """No parameter is larger."""
        self.random = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        self.set_lipschitz()

    def learn(self, real: Tensor, generated: Tensor, *, measure: bool) -> Measured | None:
        """One update on a batch of each, [batch, features]. Its loss is E D(generated) − E D(real), without the penalty."""
        # The penalty comes first: its passes through the network would else be measured with the loss's.
        penalty = self._slope_penalty(real, generated) if self._bounded_by("gradient_penalty") else NO_GRADIENTS
        return self.update(lambda: self._loss(real, generated), measure=measure, penalty=penalty)

    def _loss(self, real: Tensor, generated: Tensor) -> Tensor:
        # In one pass: batch norm takes δ's mean over its batch away, and over a batch of one kind that is nearly all of δ.
        of_real, of_generated = self.model(torch.cat([real, generated])).split(len(real))
        loss: Tensor = of_generated.mean() - of_real.mean()
        return loss

    # -- toggles ---------------------------------------------------------------------------------------------------

    def set_lipschitz(self) -> bool:
        """Bound the slope as the settings now say; returns whether weights stay smaller than they now may be.

        Weights stay, but for those that the bound forbids, and so does the optimizer's state. Past spectral normalisation the
        normalised weights are the ones that stay: the critic is the same function as before.
        """
        before, self._bound = self._bound, float(self._settings["weight_clip"]) if self._bounded_by("clip_weights") else math.inf
        self.model.eval()  # in training, a spectrally normalised weight moves a little whenever it is read
        for layer in self._linears():
            normalised = parametrize.is_parametrized(layer)
            if self._bounded_by("spectral_norm") and not normalised:
                parametrizations.spectral_norm(layer)
            elif normalised and not self._bounded_by("spectral_norm"):
                parametrize.remove_parametrizations(layer, "weight")
        self._clip_weights()
        self._changed()
        return before < self._bound and not self._bounded_by("spectral_norm")

    def set_norm(self) -> None:
        super().set_norm()
        self._clip_weights()

    def reinitialise(self) -> None:
        for layer in self._linears():  # a normalised weight cannot be drawn, only the one it is computed from
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight")
        super().reinitialise()
        self.set_lipschitz()

    # -- measures --------------------------------------------------------------------------------------------------

    def slope_at(self, points: Tensor) -> float:
        """Mean norm of the critic's gradient with respect to `points` [batch, features]."""
        self.model.eval()
        with torch.enable_grad():
            norms = _slopes(self.model, points, create_graph=False)
        self.model.train()
        return norms.mean().item()

    @torch.no_grad()
    def share_at_bound(self) -> float | None:
        """The share of its weights that lie on ±c; None: they are not clipped."""
        if math.isinf(self._bound):
            return None
        weights = torch.cat([weight.flatten() for weight in self.model.parameters() if weight.ndim >= 2])
        return (weights.abs() >= AT_BOUND * self._bound).double().mean().item()

    # -- the bound -------------------------------------------------------------------------------------------------

    def _bounded_by(self, kind: str) -> bool:
        return self._settings["lipschitz"] == kind

    def _linears(self) -> list[nn.Linear]:
        return [module for module in self.model.modules() if isinstance(module, nn.Linear)]

    def _descend(self) -> None:
        super()._descend()
        self._clip_weights()

    @torch.no_grad()
    def _clip_weights(self) -> None:
        """Clamp every parameter, a normalisation's scale included, as Arjovsky et al. do."""
        if math.isfinite(self._bound):
            for parameter in self.model.parameters():
                parameter.clamp_(-self._bound, self._bound)

    def _slope_penalty(self, real: Tensor, generated: Tensor) -> Gradients:
        """The gradient of λ·E(‖∇D(x̂)‖ − 1)² for each parameter it depends on, x̂ drawn between real and generated points."""
        share = torch.rand(len(real), 1, generator=self.random, device=real.device, dtype=real.dtype)
        slopes = _slopes(self.model, share * real + (1 - share) * generated, create_graph=True)
        penalty = float(self._settings["penalty_weight"]) * (slopes - 1).square().mean()
        parameters = list(self.model.parameters())
        gradients = torch.autograd.grad(penalty, parameters, allow_unused=True)
        return {parameter: gradient for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None}


def _slopes(model: nn.Module, points: Tensor, *, create_graph: bool) -> Tensor:
    """‖∇D(x)‖ for every point [batch]."""
    points = points.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(model(points).sum(), points, create_graph=create_graph)
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return norms
