"""Mixed precision: what is shown is unscaled, and a step that the GradScaler leaves out is counted, not an alarm."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

import gradtui
from gradtui.diagnose.state import RunState
from tests.watch.recordings import Recording, gradient_norms

SCALE = 1024.0
LINEARS = ("0", "2")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def unscaled(model: nn.Module) -> dict[str, float]:
    return {name: value / SCALE for name, value in gradient_norms(model, LINEARS).items()}


@pytest.mark.parametrize("fused", [False, True], ids=["unscaled by the scaler", "unscaled by a fused optimizer"])
@pytest.mark.parametrize("clipped", [False, True], ids=["not clipped", "clipped"])
def test_gradients_and_deltas_are_unscaled(tmp_path: Path, fused: bool, clipped: bool) -> None:
    model, expected, deltas, largest = network(), [], [], []
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        for _ in range(3):
            optimizer.zero_grad()
            output = model(torch.randn(16, 6))
            output.retain_grad()
            loss = output.square().mean()
            scaler.scale(loss).backward()
            expected.append(unscaled(model))
            deltas.append(float(output.grad.square().mean().sqrt()) / SCALE)
            largest.append(
                max(float(parameter.grad.abs().max()) for parameter in model[0].parameters() if parameter.grad is not None) / SCALE
            )
            if clipped:
                scaler.unscale_(optimizer)
                clip_grad_norm_(model.parameters(), 1e-3)
            scaler.step(optimizer)
            scaler.update()
            run.log(loss=loss)
    recording = Recording(tmp_path)
    for step in range(3):
        for layer in LINEARS:
            assert recording.at(step, "grad_norm", layer) == pytest.approx(expected[step][layer], rel=1e-5)
            assert recording.at(step, "grad_norm_max", layer) == pytest.approx(expected[step][layer], rel=1e-5)
        assert recording.at(step, "grad_max", "0") == pytest.approx(largest[step], rel=1e-5)
        if step:
            assert recording.at(step, "delta_rms", "2") == pytest.approx(deltas[step], rel=1e-5)
        frame = recording.frames[step]
        assert frame.metrics["loss_scale"] == SCALE
        assert frame.metrics["skipped"] == 0
        assert frame.clipped_norm == pytest.approx(1e-3 if clipped else frame.total_norm, rel=1e-2)


@pytest.mark.parametrize("fused", [False, True], ids=["unscaled by the scaler", "unscaled by a fused optimizer"])
@pytest.mark.parametrize("clipped", [False, True], ids=["not clipped", "clipped"])
def test_subnormal_is_what_was_so_in_float16_under_the_scale(tmp_path: Path, fused: bool, clipped: bool) -> None:
    model = nn.Linear(4, 2, bias=False)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(2):
            optimizer.zero_grad()
            scaler.scale(model(torch.randn(5, 4)).sum()).backward()
            assert model.weight.grad is not None
            model.weight.grad.copy_(torch.tensor([[2.0**-15] * 3 + [0], [2.0**-13] * 4]))  # as it leaves the backward pass
            if clipped:
                scaler.unscale_(optimizer)
                clip_grad_norm_(model.parameters(), 1e-9)
            scaler.step(optimizer)
            scaler.update()
    assert Recording(tmp_path).at(1, "grad_subnormal", "Linear") == 3 / 8


@pytest.mark.parametrize("fused", [False, True], ids=["unscaled by the scaler", "unscaled by a fused optimizer"])
@pytest.mark.parametrize("clipped", [False, True], ids=["not clipped", "clipped"])
def test_a_step_left_out_is_counted_and_no_alarm(tmp_path: Path, fused: bool, clipped: bool) -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=2):
        for step in range(9):
            optimizer.zero_grad()
            loss = model(torch.randn(16, 6)).square().mean() * (math.inf if step in (2, 5) else 1)
            scaler.scale(loss).backward()
            if clipped:
                scaler.unscale_(optimizer)
                clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
    recording = Recording(tmp_path)
    assert recording.frames[-1].metrics["skipped"] == 2
    assert recording.frames[-1].metrics["loss_scale"] == SCALE / 4
    state = RunState()
    edges = [edge for event in recording.events for edge in state.apply(event)]
    assert [edge.code for edge in edges if edge.code in ("non-finite", "exploding")] == []
    for frame in recording.frames:
        for numbers in (frame.grad_norm, frame.grad_norm_max, frame.delta_rms, frame.grad_nonfinite):
            assert all(number is None or math.isfinite(number) for number in numbers)
    if not fused:  # no optimizer step, no tick of the clock: 7 of the 9
        assert [frame.step for frame in recording.frames] == [0, 2, 4, 6]


def test_an_infinite_gradient_without_a_scaler_is_shown(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for step in range(3):
            optimizer.zero_grad()
            (model(torch.randn(16, 6)).square().mean() * (math.inf if step == 1 else 1)).backward()
            optimizer.step()
    frame = Recording(tmp_path).frames[1]
    assert not any(number is not None and math.isfinite(number) for number in frame.grad_norm)
    assert all(frame.grad_nonfinite)


def test_under_bfloat16_autocast_gradients_are_those_of_the_float32_weights(tmp_path: Path) -> None:
    model, expected = network(), []
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(torch.randn(16, 6)).float().square().mean()
            loss.backward()
            expected.append(gradient_norms(model, LINEARS))
            optimizer.step()
    recording = Recording(tmp_path)
    for step in range(3):
        assert recording.at(step, "grad_norm", "0") == pytest.approx(expected[step]["0"], rel=1e-6)
    assert recording.at(2, "delta_rms", "0") is not None
