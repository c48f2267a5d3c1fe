"""The files of examples/, run as they are but for frames on every step; and their gradients by hand."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from torch import nn

import gradtui
from gradtui.watching import Run, watch
from tests.watch.recordings import Recording, norm

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = 3


def load(name: str) -> ModuleType:
    """The module examples/`name`.py."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class EveryStep:
    """In the place of `gradtui.watch`: the same, but with a frame on every step, recorded in `path`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self.runs: list[Run] = []

    def __call__(self, *arguments: Any, **options: Any) -> Run:
        self.runs.append(watch(*arguments, **{"run_dir": self._path, "every": 1} | options))
        return self.runs[-1]


def record(patch: pytest.MonkeyPatch, path: Path, example: ModuleType, *arguments: str, **flags: Any) -> Recording:
    """Run the example's `main` for three steps."""
    watching = EveryStep(path)
    patch.setattr(gradtui, "watch", watching)
    example.main(["--steps", str(STEPS), *arguments], **flags)
    (run,) = watching.runs
    run.close()
    return Recording(path)


class Step(NamedTuple):
    """One step's gradients by hand: their norms for each row and together, and together once they are clipped."""

    rows: dict[str, float]
    total: float
    clipped: float


def gradients(model: nn.Module, clip: float | None = None, folded: Mapping[str, str] | None = None) -> Step:
    """The gradients as they stand, which are then clipped by norm. A row for each module with parameters of its own, but for the
    normalisations in `folded`, which belong to another's; a tied weight belongs to the first."""
    rows: dict[str, list[nn.Parameter]] = {}
    counted: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        own = [parameter for parameter in module.parameters(recurse=False) if parameter not in counted]
        counted.update(own)
        if own:
            rows.setdefault((folded or {}).get(name, name), []).extend(own)
    norms = {name: norm(*(parameter.grad for parameter in parameters)) for name, parameters in rows.items()}
    total = norm(*(parameter.grad for parameter in model.parameters()))
    if clip is None:
        return Step(norms, total, total)
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    return Step(norms, total, norm(*(parameter.grad for parameter in model.parameters())))


def check(recording: Recording, steps: list[Step], relative: float, group: str = "") -> None:
    """The recording has these gradients, on these steps, and no more rows that have any."""
    assert [frame.step for frame in recording.frames] == list(range(len(steps)))
    assert recording.end.reason == "finished"
    for step, (rows, total, clipped) in enumerate(steps):
        frame = recording.frames[step]
        found = {
            layer.name: value
            for layer, value in zip(recording.hellos[-1].layers, frame.grad_norm, strict=True)
            if layer.group == group and value is not None
        }
        assert found == pytest.approx(rows, rel=relative), step
        if group:
            assert frame.metrics[f"{group} gradient"] == pytest.approx(total, rel=relative)
        else:
            assert frame.total_norm == pytest.approx(total, rel=relative)
            assert frame.clipped_norm == pytest.approx(clipped, rel=relative)
