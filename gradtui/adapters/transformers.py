"""`gradtui.watch` as a callback of the Hugging Face Trainer, which trains through Accelerate.

Accelerate wraps the optimizer and does not call it while gradients accumulate; watching follows the optimizer inside, so a step is a
step, clipped or not, whatever the precision.
"""

from __future__ import annotations

from typing import Any, Unpack

from gradtui.adapters.session import Options, Session

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    needs = "gradtui.adapters.transformers needs Transformers, which is not installed: pip install 'gradtui[transformers]'"
    raise ImportError(needs) from error


class GradtuiCallback(TrainerCallback):  # type: ignore[misc]
    """Records every layer's gradient while a Trainer trains, for `gradtui attach` to show: `Trainer(callbacks=[GradtuiCallback()])`.

    Takes the keyword arguments of `gradtui.watch`. The loss is the one that the Trainer logs, a mean over its `logging_steps`; what an
    evaluation finds is shown in the frame that follows, if there is one. The Trainer does not tell its callbacks of an exception: a run
    that one ends is closed with the process, or when the next training starts.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        self._session = Session(options)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **others: Any) -> None:
        self._session.begin(model, [] if optimizer is None else [optimizer])

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        wanted = {key: value for key, value in (logs or {}).items() if key == "loss" or key.startswith("eval_")}
        self._session.log({key: value for key, value in wanted.items() if isinstance(value, int | float)})

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self._session.end()
