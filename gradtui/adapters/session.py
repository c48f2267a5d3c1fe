"""What every adapter does: watch a training from its start to its end, whatever happens in between."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import gradtui
from gradtui.watching import Run
from gradtui.watching.lifetime import complain
from gradtui.watching.start import check_options


class Options(TypedDict, total=False):
    """The keyword arguments of `gradtui.watch`, which says what they do."""

    name: str | None
    run_dir: str | os.PathLike[str] | None
    rate: float
    every: int | None
    share: float
    control: bool


class Session:
    """One training after another, each with a run of its own. Raises TypeError and ValueError for `options` that cannot be right: from
    then on nothing."""

    def __init__(self, options: Options) -> None:
        inspect.signature(gradtui.watch).bind(None, None, **options)
        check_options(**options)
        self._options = options
        self._run: Run | None = None

    def begin(self, model: Any, optimizers: Sequence[Any]) -> None:
        """A training starts. What cannot be watched (no optimizer, say, or one that is not PyTorch's) is a warning."""
        self.end()
        try:
            self._run = gradtui.watch(model, optimizers, **self._options)
        except Exception as error:
            complain(f"gradtui cannot watch this training: {error}")

    def log(self, values: Mapping[str, Any]) -> None:
        """Single numbers, floats or tensors, by name."""
        if self._run is not None and values:
            self._run.log(**values)

    def end(self, error: BaseException | None = None) -> None:
        """The training is over; `error` is what ended it early."""
        run, self._run = self._run, None
        if run is not None:
            run.__exit__(type(error) if error else None, error, None)
