"""The post-mortem of a loop of one's own: what went wrong first, where, and what could not be judged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from torch import nn

import gradtui
from gradtui import cli_report
from tests.stream.test_events import strict

DEPTH = 8


def crash_after(steps: int, path: Path) -> None:
    """A deep sigmoid network whose loop raises, watched."""
    torch.manual_seed(0)
    hidden = [layer for _ in range(DEPTH) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    model = nn.Sequential(*hidden, nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with contextlib.suppress(RuntimeError), gradtui.watch(model, optimizer, run_dir=path, every=1) as run:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(torch.randn(32, 16)), torch.randint(2, (32,)))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            run.log(loss=loss)
        raise RuntimeError("out of data")


def test_it_tells_what_went_wrong_first_and_in_which_layers(tmp_path: Path) -> None:
    crash_after(12, tmp_path)
    report = strict(cli_report.report(str(tmp_path), None, True).encode())
    assert (report["outcome"], report["error"], report["frames"]) == ("crashed", "RuntimeError: out of data", 12)
    assert (report["first"]["code"], report["first"]["severity"]) == ("vanishing", "critical")
    assert report["first"]["layers"][0] == "0"
    text = cli_report.report(str(tmp_path), None, False)
    assert "went wrong first: VANISHING in layers 0–" in text
    assert "<svg" in cli_report.report(str(tmp_path), "-", False)


def test_a_few_frames_of_the_same_network_are_not_called_healthy(tmp_path: Path) -> None:
    crash_after(3, tmp_path)
    text = " ".join(cli_report.report(str(tmp_path), None, False).split())
    assert "no warning was opened, but 3 frames over 3 steps are too few" in text
    assert "healthy" not in text.replace("too few to call the gradients healthy", "")
