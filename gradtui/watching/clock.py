"""One optimizer's steps: what is measured before and after each.

The gradients are read when the step begins, or, where a loop clips them, just before that; where the step evaluates a closure
(LBFGS), after its first evaluation, which is the gradient at the weights that the step starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.optim import Optimizer

from gradtui.probe import Probe
from gradtui.probe.extremes import Scaling
from gradtui.probe.measure import Collected
from gradtui.probe.overheard import Known
from gradtui.stream.events import Layer
from gradtui.watching.amp import LossScale
from gradtui.watching.clipping import Clipping, one_of
from gradtui.watching.local import LocalNorm
from gradtui.watching.nesting import Nesting
from gradtui.watching.ownership import parameters_of, trained_by
from gradtui.watching.watcher import Watcher

_UNTIMED = 2
"""What a step of rest takes, over what it takes to count it: nobody times how hooks, and what clipping is passed through, are called
(benchmarks.watch_share: 10 µs, where counting takes 5)."""


@dataclass
class Part:
    """One optimizer's share of a frame, on its way to the host."""

    collected: Collected
    names: list[str]
    """Of the further values that travel with it."""
    lr: float | None
    number: int
    """Of the optimizer's step that it was made in."""


class Clock:
    """Watches `optimizer`; `probe` measures the rows that are its own. `label` tells several apart."""

    def __init__(self, label: str, optimizer: Optimizer, probe: Probe, watcher: Watcher) -> None:
        self.label = label
        self.optimizer = optimizer
        self.probe = probe
        self.part: Part | None = None
        self.last_steps = (-1, -1, -1)
        """The run's steps at which it stepped last, the newest at the end."""
        self.loss_scale = LossScale(optimizer)
        self.trained: dict[nn.Parameter, bool] = {}
        """Whether each of its parameters was not frozen in the last frame's step."""
        self.armed = False
        self.counted: list[int] = []
        """Places of the rows that its optimizer updates: the others' gradients are no part of what it gets, and nothing zeroes them."""
        self._watcher = watcher
        self._nesting = Nesting()
        self._thread: int | None = None
        """Which one trains, once it has: what others clip is theirs, and their gradients come and go while one looks at them."""
        self._resting = False
        """Whether nothing is wanted of the next step but its norms, if they are due."""
        self.listens = True
        """Whether it is not resting, or they are."""
        self._steps = self._norms_due = 0
        self._rested_from = 0
        """Its steps when the last one was told to the meter."""
        self._wakes_at = 0
        """Its steps when the rest is over."""
        self._steps_before_scaler = 0
        self._measured = False
        self._clipping = Clipping()
        self._norms_took, self._norms_taken = 0.0, 0
        """Seconds, and how many steps', since the meter was told last."""
        self._further: dict[str, Tensor] | None = None
        self._lr: float | None = None
        self._loss: Tensor | None = None
        """What a closure returned."""
        self._local = LocalNorm()
        self._handles = [optimizer.register_step_pre_hook(self._before), optimizer.register_step_post_hook(self._after)]

    def layers(self, trained: Mapping[nn.Parameter, bool]) -> dict[int, Layer]:
        """Its rows as layers, by their places, once they are known. `trained`: of which parameters it is known that they are."""
        own = set(parameters_of(self.optimizer))
        found = {}
        for place, layer, parameters in zip(self.probe.places, self.probe.layers, self.probe.row_parameters, strict=True):
            updated = not parameters or not own.isdisjoint(parameters)
            found[place] = replace(layer, updated=updated, frozen=layer.frozen and not any(map(trained.get, parameters)))
        self.counted = [place for place, layer in found.items() if layer.updated]
        return found

    def leave(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self.disarm()

    def arm(self, forward: bool, local: bool = False) -> None:
        """Make its next step a part of a frame; a part that there is stays until then. `local`: of several ranks, also this one's gradients
        before they are averaged."""
        self.disarm()
        self.armed, self._resting, self.listens = True, False, True
        self.probe.arm(forward)
        if local:
            self._local.watch(self.probe.parameters)

    def start_over(self) -> None:
        """The passes that were seen so far were not for its next step, if others follow."""
        self.probe.start_over_at_next_forward()
        self._local.start_over_at_next_gradient()

    @property
    def fresh(self) -> bool:
        """Whether there is a part, and it is of the last step."""
        return self.part is not None and self.part.number == self._steps

    @property
    def next_step(self) -> int | None:
        """In which of the run's steps it will step next, going by the last ones; None: they were not evenly spaced."""
        first, second, last = self.last_steps
        return 2 * last - second if last - second == second - first > 0 else None

    def wake(self) -> None:
        """Have its next step looked at."""
        self._wakes_at = 0

    def disarm(self) -> None:
        self.armed = False
        self.probe.disarm()
        self._local.leave()

    # -- the optimizer's hooks --------------------------------------------------------------------------------------

    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        nesting = self._nesting
        if torch.compiler.is_dynamo_compiling() or (nesting.inside and nesting.is_inner(optimizer)):
            return None
        nesting.inside = True
        if self._resting and (self._clipping.only() if self._measured else self._steps < self._norms_due):
            return None
        self._thread = get_ident()
        if kwargs or len(args) > 1:
            closure = kwargs.get("closure") or next(iter(args[1:]), None)
            if callable(closure):
                return self._with_closure(closure, optimizer, args, kwargs)
        self._watcher.guard(self._begin_and_measure if not self._resting else self._measure_again if self._measured else self._take_norms)
        return None

    def _with_closure(
        self, closure: Callable[[], Any], optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self._watcher.guard(self._watcher.step_begins, optimizer)
        watched = self._measured_once(closure)
        if "closure" in kwargs:
            return args, kwargs | {"closure": watched}
        return (args[0], watched, *args[2:]), kwargs

    def _measured_once(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        evaluated = False

        def watched() -> Any:
            nonlocal evaluated
            result = closure()
            if not evaluated:
                evaluated = True
                self._loss = result.detach() if isinstance(result, Tensor) and result.numel() == 1 else None
                self._watcher.guard(self._measure)
            return result

        return watched

    def _after(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nesting = self._nesting
        if torch.compiler.is_dynamo_compiling():
            return
        if nesting.deeper:
            nesting.deeper -= 1
            return
        nesting.inside = False
        if self._resting and self._steps + 1 < self._wakes_at:
            self._count()
            self.listens = self._steps >= self._norms_due
        else:
            self._watcher.guard(self._finish)

    # -- what other parts of the loop do ----------------------------------------------------------------------------

    def clipping(self, gradients: Sequence[Tensor], known: Known | None) -> None:
        if self._thread in (None, get_ident()) and not self._clipping.knows(gradients):
            self._watcher.guard(self._before_clipping, gradients, known)

    def scaler_stepping(self, scaler: torch.amp.GradScaler, optimizer: Optimizer) -> None:
        if optimizer is self.optimizer:
            self.loss_scale.scaler = scaler if scaler.is_enabled() else None
            self._resting &= not scaler.is_enabled()
            self.listens |= not self._resting
            self._steps_before_scaler = self._steps

    def scaler_stepped(self, scaler: torch.amp.GradScaler, optimizer: Optimizer) -> None:
        if optimizer is self.optimizer and self._steps == self._steps_before_scaler:
            self._watcher.guard(self._left_out)

    # -- a step -----------------------------------------------------------------------------------------------------

    def _before_clipping(self, gradients: Sequence[Tensor], known: Known | None) -> None:
        found = one_of(gradients, self.probe.parameters)
        if found is None:
            return
        if self._clipping.only():
            self._clipping.goes_on(*found, known is not None)
            return
        self._forget_measurement()
        self._take_norms(known)
        self._clipping.begins(*found, known is not None)

    def _begin_and_measure(self) -> None:
        self._watcher.step_begins(self.optimizer)
        self._measure()

    def _measure(self) -> None:
        self._watcher.update_begins(self.optimizer)
        scaling = self.loss_scale.told()
        if (scaling is not None and scaling.scale is not None) or not self._clipping.only():
            self._measure_again()
        if scaling is not None and self._measured:
            self.probe.correct_norms(scaling)
        if self.armed:
            self._prepare_part(scaling)
        if scaling is not None:
            self.loss_scale.count(scaling)

    def _measure_again(self) -> None:
        self._forget_measurement()
        self._take_norms()

    def _take_norms(self, known: Known | None = None) -> None:
        if not self._resting:
            self._watcher.gradients_ready(self)
        if not self.armed and self._steps < self._norms_due:
            return
        meter = self._watcher.meter
        started = meter.now()
        self.probe.measure_gradients(self.loss_scale.limit() if self.armed else None, known)
        self._measured, self._norms_due = True, self._steps + meter.stride
        self._norms_took += meter.now() - started
        self._norms_taken += 1

    def _forget_measurement(self) -> None:
        if self._measured:
            self.probe.forget_gradients()
            self._measured, self._norms_due = False, self._steps
        self._clipping.forget()

    def _prepare_part(self, scaling: Scaling | None) -> None:
        """What only this moment can tell: the clipped norm, the loss scale, the learning rate, and the weights before the update."""
        started = self._watcher.meter.now()
        further = self.loss_scale.values(scaling)
        if self._clipping.happened and (norm := self.probe.total_norm()) is not None:
            further["clipped_norm"] = norm
        if (local := self._local.norm()) is not None:
            further["local_norm"] = local
        if self._loss is not None:
            further["loss"] = self._loss
        lr = self.optimizer.param_groups[0].get("lr") if self.optimizer.param_groups else None
        if isinstance(lr, Tensor):
            further["lr"] = lr
        self._lr = float(lr) if isinstance(lr, int | float) else None
        # A copy: the scale and the learning rate are changed in place before the frame is sent.
        self._further = {name: value.detach().reshape(1).double().clone() for name, value in further.items()}
        self.trained = trained_by(self.optimizer)
        self.probe.before_update()
        self._watcher.meter.add(self.probe.seconds)
        self._watcher.meter.spend(started)

    def _finish(self) -> None:
        started = self._watcher.meter.now()
        framed = self._further is not None
        if self._further is not None:
            names = list(self._further)
            self.part = Part(self.probe.send(list(self._further.values())), names, self._lr, self._steps + 1)
            self._further = None
            self.disarm()
        self._count()
        if self._resting:
            counting = self._watcher.meter.now() - started
            self._watcher.meter.estimate(counting * _UNTIMED * (self._steps - self._rested_from))
        steps, self._rested_from = self._steps - self._rested_from, self._steps
        self._watcher.meter.step_taken(self._norms_took, self._norms_taken, framed, steps)
        self._norms_took, self._norms_taken = 0.0, 0
        self._watcher.stepped(self, started)
        self._watcher.step_ended()
        self._look_ahead()

    def _count(self) -> None:
        self._steps += 1
        if self.listens:
            self._measured = False
            self._clipping.forget()
        self._watcher.count(self)

    def _look_ahead(self) -> None:
        """Of most steps nothing is wanted but norms, if that, and all that a hook does beyond is lost to the loop: up to the next of which
        more is, they are only counted."""
        rest = 0 if self.armed or self.loss_scale.scaler is not None else self._watcher.rest
        self._resting, self._wakes_at = rest > 0, self._steps + rest
        self.listens = not self._resting or self._steps >= self._norms_due

    def _left_out(self) -> None:
        """The scaler found a gradient that was not finite: what it does about it is its own business, and no alarm."""
        self._forget_measurement()
        self.loss_scale.skipped += 1
        self.start_over()
