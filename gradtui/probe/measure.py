"""Probe: what every layer's gradient, weights and activations are, on any `nn.Module`, at a cost a training loop does not notice.

Norms are taken on every step and stay on the device; everything dearer only on the step that a frame is made of. A step waits for
the device nowhere, a frame once, in `collect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from gradtui.probe.extremes import GradientNorms, Scaling
from gradtui.probe.forward import ForwardHooks
from gradtui.probe.gradients import Gradients
from gradtui.probe.kinds import is_activation, is_cell
from gradtui.probe.overheard import Known
from gradtui.probe.reduce import Limit
from gradtui.probe.rows import Row, eager_modules, find_rows
from gradtui.probe.table import Copy, Reader, Sheet, rounded
from gradtui.probe.trace import Trace, traced
from gradtui.probe.weights import Weights
from gradtui.stream.events import Layer, Numbers


class Collected:
    """A frame's measurements on their way to the host."""

    def __init__(self, copy: Copy, readers: Sequence[Reader], further: slice) -> None:
        self._copy = copy
        self._readers = readers
        self._further = further

    @property
    def ready(self) -> bool:
        """Whether `read` need not wait for the device."""
        return self._copy.ready

    def read(self) -> tuple[dict[str, Numbers], list[float]]:
        """The fields of `Frame`, and the further values, as they were given to `send`."""
        numbers = self._copy.read()
        return rounded({name: values for read in self._readers for name, values in read(numbers).items()}), numbers[self._further]


@dataclass(frozen=True)
class Found:
    """What forward passes have shown of some networks."""

    rows: list[Row]
    activations: list[nn.Module]
    reached: bool
    """Whether any module was seen called: hooks on a compiled model's do not run."""


class Probe:
    """Measures a model, or several by name (a GAN's `{"critic": …, "generator": …}`).

    `discovering` goes around one forward pass or more, again whenever modules come or go. Then, on every step, `measure_gradients` after
    backward; on a frame's step also `arm` before the forward pass, `measure_penalty` and `before_update` before the optimizer's
    step, and `collect` after it.
    """

    def __init__(
        self, model: nn.Module | Mapping[str, nn.Module], keep: Callable[[Row], bool] = lambda row: True, found: Found | None = None
    ) -> None:
        """`keep`: which rows are this probe's; what there is of the others belongs to another optimizer's step. `found`: what is known
        of the model already."""
        self._models = {"": model} if isinstance(model, nn.Module) else dict(model)
        self._keep = keep
        self._hooks: ForwardHooks | None = None
        self._take(found or _find(self._models, Trace()))
        self._norms = GradientNorms(self._rows)
        self._weights = Weights(self._rows)

    @property
    def layers(self) -> list[Layer]:
        """The rows, in the order the forward pass reaches them; before `discovering`, as they were registered."""
        return [row.layer for row in self._rows]

    @property
    def reached(self) -> bool:
        """Whether `discovering` saw any module called."""
        return self._found.reached

    @property
    def places(self) -> list[int]:
        """Where each row comes among all rows of the models, those that `keep` left out included."""
        return self._places

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those of its rows, each once."""
        return self._norms.parameters

    @property
    def row_parameters(self) -> list[list[nn.Parameter]]:
        """Each row's."""
        return [row.parameters for row in self._rows]

    @property
    def seconds(self) -> float:
        """Spent in this frame's hooks so far."""
        return 0.0 if self._hooks is None else self._hooks.seconds

    def discovering(self) -> AbstractContextManager[None]:
        """Find the rows in the forward passes made inside: as the function of this name, of this probe alone."""
        return discovering([self])

    def discovered(self, found: Found) -> None:
        """Go on with the rows of `found`. Extremes taken so far are kept; a frame that was armed is given up."""
        self.disarm()
        self._take(found)
        older, self._norms = self._norms, GradientNorms(self._rows)
        self._norms.inherit(older)
        self._weights = Weights(self._rows)

    def arm(self, forward: bool = True) -> None:
        """Make this step a frame's: delta and activations of its forward and backward passes are measured, unless `forward` is False."""
        self.disarm()
        self._hooks = ForwardHooks(
            self._models.values() if forward else (), self._found.activations if forward else (), self._rows if forward else ()
        )
        self._gradients = Gradients(self._rows)

    def measure_gradients(self, limit: Limit = None, known: Known | None = None) -> None:
        """Take the gradients as they stand: norms, and on a frame's step the rest. Does not wait for the device.

        `limit`: the entries under it count as subnormal. It is the smallest normal number of the precision that the backward pass
        computed in, as large as the gradients are now: 2⁻¹⁴ for float16, over the loss scale once that is taken out. None: that of
        each gradient's own dtype. (Adding up a sparse gradient's entries waits, on CUDA.) `known`: norms of the gradients, as they
        stand, that the loop has taken itself.
        """
        if self._hooks is None:
            self._norms.measure(known)
        else:
            self._gradients.describe(self._norms.describe(limit), self._norms.batches)

    def correct_norms(self, scaling: Scaling) -> None:
        """Unscale the norms that this step's `measure_gradients` took (and nothing else that it took)."""
        self._norms.correct(scaling)

    def total_norm(self) -> Tensor | None:
        """The norm of all gradients as they stand, on the device; None when there is none."""
        return self._norms.total()

    def forget_gradients(self) -> None:
        """Take back this step's `measure_gradients`: the gradients have changed since, and are measured anew."""
        self._norms.forget_step()

    def start_over_at_next_forward(self) -> None:
        """On a frame's step: the forward passes seen so far were not for this step, if another follows."""
        if self._hooks is not None:
            self._hooks.start_over_at_next_forward()

    def measure_penalty(self, penalty: Mapping[nn.Parameter, Tensor] | None) -> None:
        """Take the norms of the regulariser's own gradients; None: there is no regulariser, and no penalty_norm on this frame."""
        if penalty is not None:
            self._gradients.describe_penalty(penalty)

    def before_update(self) -> None:
        """Keep a copy of the weight matrices that may move, up to `weights.MOST_COPIED` bytes, for `collect` to compare.

        Forward passes are no longer seen.
        """
        self._weights.keep()
        if self._hooks is not None:
            self._hooks.finish()

    def collect(self) -> dict[str, Numbers]:
        """This frame's measurements, by their names in `Frame`, one number a layer: the one copy to the host. Disarms.

        The interval that grad_norm_min and grad_norm_max look back on starts anew. Raises RuntimeError on a step that was not armed.
        """
        return self.send([]).read()[0]

    def send(self, further: Sequence[Tensor]) -> Collected:
        """Like `collect`, without waiting: the copy is on its way. `further` values of one number each travel with it."""
        if self._hooks is None:
            raise RuntimeError("collect() without arm(): this step is not a frame's")
        sheet = Sheet()
        parts = [self._gradients.put(sheet, self._norms.now()), self._norms.put(sheet), self._weights.put(sheet), self._hooks.put(sheet)]
        place = sheet.put_all(further)
        self.disarm()
        return Collected(sheet.send(), parts, place)

    def disarm(self) -> None:
        """Give up the frame that was armed, if any."""
        if self._hooks is not None:
            self._hooks.remove()
            self._hooks = None
            self._weights.forget()

    def _take(self, found: Found) -> None:
        self._found = found
        self._places = [place for place, row in enumerate(found.rows) if self._keep(row)]
        self._rows = [found.rows[place] for place in self._places]


def probes(models: Mapping[str, nn.Module], keeps: Sequence[Callable[[Row], bool]]) -> list[Probe]:
    """One for each of `keeps`; the rows are found once for all."""
    found = _find(models, Trace())
    return [Probe(models, keep, found) for keep in keeps]


@contextmanager
def discovering(probes: Sequence[Probe], passed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Find the rows of `probes`, which measure the same models, in the forward passes made inside. `passed` is called after every
    outermost call of a module, and must not raise."""
    models = probes[0]._models
    networks = [model for model in models.values() if not is_cell(model)]
    with traced(_eager_modules(models), networks, passed) as trace:
        yield
    if trace.error is not None:
        raise trace.error
    found = _find(models, trace)
    for probe in probes:
        probe.discovered(found)


def _find(models: Mapping[str, nn.Module], trace: Trace) -> Found:
    counted: set[nn.Parameter] = set()
    rows = [row for group, model in models.items() for row in find_rows(model, group, trace, counted)]
    return Found(rows, [module for module in _eager_modules(models) if is_activation(module)], bool(trace.calls))


def _eager_modules(models: Mapping[str, nn.Module]) -> list[nn.Module]:
    return list(dict.fromkeys(module for model in models.values() for module in eager_modules(model)))
