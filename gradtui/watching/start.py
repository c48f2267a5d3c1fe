"""The public function."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from torch import nn
from torch.optim import Optimizer

from gradtui.stream import run_directory
from gradtui.stream.run_directory import RunDirectory, RunError
from gradtui.watching import ranks
from gradtui.watching.meter import Meter
from gradtui.watching.run import Run, complain

_watched: WeakKeyDictionary[Optimizer, weakref.ref[Run]] = WeakKeyDictionary()
"""Which run watches an optimizer; a closed run is not kept alive by it."""


def watch(
    model: nn.Module | Mapping[str, nn.Module],
    optimizer: Optimizer | Sequence[Optimizer],
    *,
    name: str | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    rate: float = 10.0,
    every: int | None = None,
    share: float = 0.01,
    control: bool = False,
) -> Run:
    """Record what every layer's gradient does while `optimizer` trains `model`, for `gradtui attach` to show.

    Nothing else in the loop need change. Several networks go by name, several optimizers in a list:
    `watch({"critic": critic, "generator": generator}, [critic_optimizer, generator_optimizer])`.

    `name` is the run's (the script's, if left out); `run_dir` is a new or empty directory to record in, instead of one under the
    platform's state directory. Frames come at most `rate` times a second, or on every `every`-th step. Without `every`, the watching
    takes at most `share` of the time: frames come as seldom as that needs, and where the norms of every step alone cost more than half
    of it, they are taken on every second, third … step. Two things win over `share`, so that there is always something to see: the
    first frames come at once, and then one at least every five seconds; and the hooks on the optimizer cannot be left out, which is
    more than 1% where a step takes under about half a millisecond. The share that results is measured and recorded with every frame
    (`watch_share`). With `every`, nothing is left out and `share` is not looked at.

    With `control`, viewers may also change the loop: scale the learning rate, clip, freeze a layer, exchange activation modules,
    pause, take single steps, save a checkpoint into the run directory. All of it is recorded, and undone by setting it back. Without,
    they can only look. (A training over several processes cannot be controlled.)

    In a training over several processes, call it in every one, after the process group and the sharding are there: rank 0 records.

    Never changes a gradient, and never raises once it has begun: what goes wrong ends the watching with a warning. When there is
    nowhere to record, it warns and watches nothing. An optimizer is watched by one run at a time: the former is closed. Raises
    TypeError and ValueError for arguments that are not as described.
    """
    models = {"": model} if isinstance(model, nn.Module) else dict(model)
    optimizers = [_that_steps(one) for one in ([optimizer] if isinstance(optimizer, Optimizer) else optimizer)]
    _check(models, optimizers)
    check_options(rate, every, share)
    for found in {_watched.get(one) for one in optimizers}:
        if found is not None and (former := found()) is not None:
            former.close()
    label = name or Path(sys.argv[0]).stem or "watched"
    meter = Meter(1.0 if every else share, 1 / rate)
    together = ranks.find()
    records = together is None or together.rank == 0
    directory = _make_directory(label, Path(run_dir) if run_dir is not None else None) if records else None
    run = Run(models, optimizers, directory, label, meter, every, together, control)
    _watched.update(dict.fromkeys(optimizers, weakref.ref(run)))
    return run


def _make_directory(name: str, where: Path | None) -> RunDirectory | None:
    try:
        return run_directory.create(name, where)
    except RunError as error:
        complain(f"gradtui cannot record this training: {error}")
        return None


def _that_steps(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside those that libraries put around it (Accelerate's, Lightning's): only its step is sure to be made."""
    inner = getattr(optimizer, "optimizer", None)
    return _that_steps(inner) if isinstance(inner, Optimizer) else optimizer


def _check(models: Mapping[str, nn.Module], optimizers: Sequence[Optimizer]) -> None:
    for model in models.values():
        if not isinstance(model, nn.Module):
            raise TypeError(f"model holds a {type(model).__name__}; it is an nn.Module, or several by name")
    for one in optimizers:
        if not isinstance(one, Optimizer):
            raise TypeError(f"optimizer holds a {type(one).__name__}; it is a torch.optim.Optimizer, or a list of them")
    if not optimizers or not models:
        raise ValueError("there is no model or no optimizer to watch")


def check_options(rate: float = 1.0, every: int | None = None, share: float = 1.0, **others: object) -> None:
    """Of the keyword arguments of `watch`, those that can be out of range. Raises ValueError."""
    if not rate > 0:
        raise ValueError(f"rate is {rate}; it is frames a second, above 0")
    if every is not None and every < 1:
        raise ValueError(f"every is {every}; it is a number of steps, at least 1")
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it is above 0 and at most 1")
