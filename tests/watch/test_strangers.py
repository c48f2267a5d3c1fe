"""A loop that goes on with another optimizer than the one that is watched."""

from __future__ import annotations

import gc
import warnings
import weakref
from pathlib import Path

import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks

import gradtui
from gradtui.stream.events import Log
from tests.watch.recordings import Recording


def steps(model: nn.Module, *optimizers: torch.optim.Optimizer, count: int = 30) -> None:
    for _ in range(count):
        model(torch.randn(8, 4)).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()


def told(path: Path) -> list[str]:
    return [event.text for event in Recording(path).events if isinstance(event, Log) and "another" in event.text]


def test_a_second_phases_optimizer_is_named_once(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    first = torch.optim.SGD(model.parameters(), 0.01)
    with warnings.catch_warnings(record=True) as warned, gradtui.watch(model, first, run_dir=tmp_path, every=1):
        warnings.simplefilter("always")
        steps(model, first, count=3)
        steps(model, torch.optim.AdamW(model.parameters()), count=70)
    (line,) = told(tmp_path)
    assert "another AdamW makes the steps now, and the SGD" in line
    assert [str(warning.message) for warning in warned] == [line]
    assert [frame.step for frame in Recording(tmp_path).frames] == [0, 1, 2]


def test_what_trains_beside_it_or_inside_it_is_no_stranger(tmp_path: Path) -> None:
    """Catches steps that are counted where ours are made between them, and those of another network's optimizer."""
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    ours, too, others = (torch.optim.SGD(trained.parameters(), 0.01) for trained in (model, model, other))
    with gradtui.watch(model, ours, run_dir=tmp_path, every=1):
        steps(model, too, too, too, ours)
        steps(other, others)
    assert told(tmp_path) == []


def test_no_hook_is_left_and_nothing_is_kept_by_it(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    gc.collect()  # what other tests have left
    before = len(_global_optimizer_post_hooks)
    gradtui.watch(model, torch.optim.SGD(model.parameters(), 0.01), run_dir=tmp_path)
    kept = weakref.ref(model)
    del model
    gc.collect()
    assert kept() is None
    assert len(_global_optimizer_post_hooks) == before
