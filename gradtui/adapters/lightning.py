"""`gradtui.watch` as a Lightning callback.

Lightning hands the optimizer a closure that makes the whole step, clipping and unscaling included, or makes them before the optimizer is
called: watching follows the optimizer's own step, so both come out right, under every precision plugin and with manual optimization.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Unpack

from torch import Tensor

from gradtui.adapters.session import Options, Session


def _callback_class() -> Any:
    """Of the Lightning that the program uses: it comes as two packages, and a trainer takes only its own package's callbacks."""
    for package in sorted(("lightning.pytorch", "pytorch_lightning"), key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(package).Callback
        except ModuleNotFoundError:
            continue
    raise ImportError("gradtui.adapters.lightning needs Lightning, which is not installed: pip install 'gradtui[lightning]'")


class GradtuiCallback(_callback_class()):  # type: ignore[misc]
    """Records every layer's gradient while a Trainer fits, for `gradtui attach` to show: `Trainer(callbacks=[GradtuiCallback()])`.

    Takes the keyword arguments of `gradtui.watch`. The loss that is shown is what `training_step` returned, summed over the
    micro-batches of a step as Lightning weighs them: the loss whose gradient the step takes.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        self._session = Session(options)
        self._loss: Tensor | None = None
        self._steps = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._loss, self._steps = None, trainer.global_step
        self._session.begin(pl_module, trainer.optimizers)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and loss.numel() == 1:
            self._loss = loss.detach() if self._loss is None else self._loss + loss.detach()
        if trainer.global_step != self._steps:  # otherwise the optimizer waits for more micro-batches
            self._session.log({} if self._loss is None else {"loss": self._loss})
            self._loss, self._steps = None, trainer.global_step

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._session.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._session.end(exception)
