"""The public function."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from torch import nn
from torch.optim import Optimizer

from gradtui.stream import run_directory
from gradtui.stream.run_directory import RunDirectory, RunError
from gradtui.watching import ownership, ranks
from gradtui.watching.lifetime import complain
from gradtui.watching.meter import Meter
from gradtui.watching.run import Run

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
    `watch({"critic": critic, "generator": generator}, [critic_optimizer, generator_optimizer])`. A step is over when an optimizer begins
    its next one, and a frame is of a step that all of them make: of a critic that makes five for each of the generator's, the one that the
    generator's follows. (One that makes none in fifty steps is not waited for.)

    `name` is the run's (the script's, if left out); `run_dir` is a new or empty directory to record in, instead of one under the
    platform's state directory. Frames come at most `rate` times a second, or on every `every`-th step. Without `every`, the watching
    takes at most `share` of the time: frames come as seldom as that needs, and where the norms of every step alone cost more than half
    of it, they are taken on every second, third … step. Two things win over `share`, so that there is always something to see: the
    first frames come at once, and then one at least every five seconds; and the hooks on the optimizer cannot be left out, which is
    about 1% where a step takes 1 ms of one CPU core, and more where it takes less. The share that results is recorded with every frame
    (`watch_share`): of the time that the steps since the last frame took, pauses of the loop left out, the part that passed in calls
    of the watching, and by which a frame's steps are longer than others beside that, on the host's clock. With `every`, no step's norms are
    left out, and `share` is not looked at. (Where a loop clips, on a CPU, its own norms are taken, in float32: one below 1e-12 is then
    measured on every eighth step only.)

    With `control`, viewers may also change the loop: scale the learning rate, clip, freeze a layer, exchange activation modules,
    pause, take single steps, save a checkpoint into the run directory. All of it is recorded, and undone by setting it back. Without,
    they can only look. (A training over several processes cannot be controlled.)

    In a training over several processes, call it in every one, after the process group and the sharding are there: rank 0 records.

    Never changes a gradient, and never raises once it has begun: what goes wrong ends the watching with a warning. When there is
    nowhere to record, it warns and watches nothing. An optimizer is watched by one run at a time: the former is closed. Raises
    TypeError and ValueError for arguments that are not as described.
    """
    models, optimizers = _networks(model), _optimizers(optimizer)
    check_options(rate, every, share)
    for one in optimizers:
        # Not a set of the references: one whose run is gone cannot be hashed.
        if (found := _watched.get(one)) is not None and (former := found()) is not None:
            former.close()
    if not any(ownership.updates(one, network) for one in optimizers for network in models.values()):
        complain("gradtui: the optimizer updates no parameter of the model; it was made for another one")
    label = name or _script()
    meter = Meter(1.0 if every else share, 1 / rate)
    together = ranks.find()
    records = together is None or together.rank == 0
    directory = _make_directory(label, Path(run_dir) if run_dir is not None else None) if records else None
    run = Run(models, optimizers, directory, label, meter, every, together, control)
    _watched.update(dict.fromkeys(optimizers, weakref.ref(run)))
    return run


def _make_directory(name: str, where: Path | None) -> RunDirectory | None:
    try:
        return run_directory.create(name, where, flag="run_dir=")
    except RunError as error:
        complain(f"gradtui cannot record this training: {error}")
        return None


def _script() -> str:
    """What the program is called: a package that was started by `python -m` by its own name."""
    path = Path(sys.argv[0])
    stem = path.parent.name if path.stem == "__main__" else path.stem
    if stem.endswith("kernel_launcher"):  # Jupyter's and Colab's
        return "notebook"
    return "watched" if not stem or stem.startswith("-") else stem


def _networks(model: nn.Module | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    if not isinstance(model, nn.Module | Mapping):
        hint = "; several networks go by name: {'critic': …, 'generator': …}" if isinstance(model, Sequence) else ""
        raise TypeError(f"model is a {type(model).__name__}; it is an nn.Module, or several by name{hint}")
    models = {"": model} if isinstance(model, nn.Module) else dict(model)
    for one in models.values():
        if not isinstance(one, nn.Module):
            raise TypeError(f"model holds a {type(one).__name__}; it is an nn.Module, or several by name")
    if not models:
        raise ValueError("there is no model to watch")
    return models


def _optimizers(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    if not isinstance(optimizer, Optimizer | Iterable) and _inner(optimizer) is None:
        raise TypeError(f"optimizer is a {type(optimizer).__name__}; it is a torch.optim.Optimizer, or a list of them")
    listed = list(optimizer) if isinstance(optimizer, Iterable) else [optimizer]
    optimizers = [_that_steps(one) for one in listed]
    for one in optimizers:
        if not isinstance(one, Optimizer):
            raise TypeError(f"optimizer holds a {type(one).__name__}; it is a torch.optim.Optimizer, or a list of them")
    if not optimizers:
        raise ValueError("there is no optimizer to watch")
    return optimizers


def _that_steps(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside those that are put around it (by Accelerate, by Lightning, as SAM and Lookahead are around another): only its
    step is sure to be made."""
    inner = _inner(optimizer)
    return optimizer if inner is None else _that_steps(inner)


def _inner(optimizer: object) -> Optimizer | None:
    found = (getattr(optimizer, name, None) for name in ("optimizer", "base_optimizer", "_base_optimizer"))
    return next((inner for inner in found if isinstance(inner, Optimizer) and inner is not optimizer), None)


def check_options(rate: float = 1.0, every: int | None = None, share: float = 1.0, **others: object) -> None:
    """Of the keyword arguments of `watch`, those that can be out of range. Raises ValueError."""
    if not isinstance(rate, int | float) or not rate > 0:
        raise ValueError(f"rate is {rate!r}; it is frames a second, above 0")
    if every is not None and (not isinstance(every, int) or every < 1):
        raise ValueError(f"every is {every!r}; it is a whole number of steps, at least 1")
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError(f"share is {share!r}; it is above 0 and at most 1")
