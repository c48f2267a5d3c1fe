"""Probe: what every layer's gradient, weights and activations are, on any `nn.Module`, at a cost a training loop does not notice.

Norms are taken on every step and stay on the device; everything dearer only on the step that a frame is made of. A step waits for
the device nowhere, a frame once, in `collect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from gradtui.probe.extremes import GradientNorms
from gradtui.probe.forward import ForwardHooks
from gradtui.probe.gradients import Gradients
from gradtui.probe.rows import eager_modules, find_rows
from gradtui.probe.table import Sheet, rounded
from gradtui.probe.trace import Trace, traced
from gradtui.probe.weights import Weights
from gradtui.stream.events import Layer, Numbers


class Probe:
    """Measures a model, or several by name (a GAN's `{"critic": …, "generator": …}`).

    `discovering` goes around one forward pass, again whenever modules come or go. Then, on every step, `measure_gradients` after
    backward; on a frame's step also `arm` before the forward pass, `measure_penalty` and `before_update` before the optimizer's
    step, and `collect` after it.
    """

    def __init__(self, model: nn.Module | Mapping[str, nn.Module]) -> None:
        self._models = {"": model} if isinstance(model, nn.Module) else dict(model)
        self._hooks: ForwardHooks | None = None
        self._find_rows(Trace())
        self._norms = GradientNorms(self._rows)

    @property
    def layers(self) -> list[Layer]:
        """The rows, in the order the forward pass reaches them; before `discovering`, as they were registered."""
        return [row.layer for row in self._rows]

    @contextmanager
    def discovering(self) -> Iterator[None]:
        """Find the rows in the forward pass made inside. Extremes taken so far are kept; a frame that was armed is given up."""
        with traced(self._eager_modules()) as trace:
            yield
        self._disarm()
        self._find_rows(trace)
        older, self._norms = self._norms, GradientNorms(self._rows)
        self._norms.inherit(older)

    def arm(self) -> None:
        """Make this step a frame's: delta and activations of its forward and backward passes are measured."""
        self._disarm()
        self._hooks = ForwardHooks(self._models.values(), self._eager_modules(), self._rows)
        self._gradients = Gradients(self._rows)
        self._weights = Weights(self._rows)

    def measure_gradients(self) -> None:
        """Take the gradients as they stand: norms, and on a frame's step the rest. Does not wait for the device.

        (Adding up a sparse gradient's entries does, on CUDA.)
        """
        gradients = self._norms.measure()
        if self._hooks is not None:
            self._gradients.describe(gradients, self._norms.batches)

    def measure_penalty(self, penalty: Mapping[nn.Parameter, Tensor] | None) -> None:
        """Take the norms of the regulariser's own gradients; None: there is no regulariser, and no penalty_norm on this frame."""
        if penalty is not None:
            self._gradients.describe_penalty(penalty)

    def before_update(self) -> None:
        """Keep a copy of the weight matrices that may move, for `collect` to compare."""
        self._weights.keep()

    def collect(self) -> dict[str, Numbers]:
        """This frame's measurements, by their names in `Frame`, one number a layer: the one copy to the host. Disarms.

        The interval that grad_norm_min and grad_norm_max look back on starts anew. Raises RuntimeError on a step that was not armed.
        """
        if self._hooks is None:
            raise RuntimeError("collect() without arm(): this step is not a frame's")
        sheet = Sheet()
        parts = [self._gradients.put(sheet, self._norms.now()), self._norms.put(sheet), self._weights.put(sheet), self._hooks.put(sheet)]
        self._disarm()
        numbers = sheet.fetch()
        return rounded({name: values for read in parts for name, values in read(numbers).items()})

    def _disarm(self) -> None:
        if self._hooks is not None:
            self._hooks.remove()
            self._hooks = None

    def _eager_modules(self) -> list[nn.Module]:
        return list(dict.fromkeys(module for model in self._models.values() for module in eager_modules(model)))

    def _find_rows(self, trace: Trace) -> None:
        counted: set[nn.Parameter] = set()
        self._rows = [row for group, model in self._models.items() for row in find_rows(model, group, trace, counted)]
