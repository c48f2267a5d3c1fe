"""The callback in a real Trainer of Lightning's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gradtui.adapters.lightning import GradtuiCallback
from tests.command import environment
from tests.examples.example import EXAMPLES, STEPS, Step, check, gradients, load, record
from tests.watch.recordings import Recording

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
SCALE = 1024.0


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Regression(pl.LightningModule):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        self.raises: dict[int, BaseException] = {}
        self.factors: dict[int, float] = {}

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        if batch_idx in self.raises:
            raise self.raises[batch_idx]
        loss: Tensor = self.net(batch).float().square().mean() * self.factors.get(batch_idx, 1.0)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


def batches() -> DataLoader[Tensor]:
    inputs: Any = torch.randn(6 * 16, 6, generator=torch.Generator().manual_seed(1))
    return DataLoader(inputs, batch_size=16)


def fit(model: pl.LightningModule, path: Path, steps: int = STEPS, **flags: Any) -> None:
    callback = GradtuiCallback(run_dir=path, every=1)
    pl.Trainer(max_steps=steps, logger=False, enable_checkpointing=False, callbacks=[callback], **QUIET, **flags).fit(model, batches())


def by_hand(model: Regression, dtype: torch.dtype | None, clip: float | None = None, scale: float = 1.0) -> Iterator[Step]:
    optimizer = model.configure_optimizers()
    for x, _ in zip(batches(), range(STEPS), strict=False):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None, cache_enabled=False):
            loss = model.net(x).float().square().mean()
        (scale * loss).backward()
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad /= scale
        yield gradients(model, clip)
        optimizer.step()


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("lightning_module")
    recording = record(monkeypatch, tmp_path / "run", example, **QUIET)
    torch.manual_seed(0)
    model = example.Autoencoder()
    optimizer = model.configure_optimizers()
    batches, steps, losses = iter(example.data()), [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        halves = [F.mse_loss(model.decoder(model.encoder(x)), x) / 2 for x in (next(batches), next(batches))]
        for half in halves:
            half.backward()  # type: ignore[no-untyped-call]
        losses.append(sum(half.item() for half in halves))
        steps.append(gradients(model, clip=0.1))
        optimizer.step()
    check(recording, steps, relative=2e-6)
    assert min(step.total for step in steps) > 0.1, "every step is clipped"
    assert [frame.loss for frame in recording.frames] == pytest.approx(losses, rel=1e-6)


def test_under_bfloat16_autocast(tmp_path: Path) -> None:
    fit(Regression(), tmp_path / "run", precision="bf16-mixed", gradient_clip_val=0.1)
    check(Recording(tmp_path / "run"), list(by_hand(Regression(), torch.bfloat16, clip=0.1)), relative=2e-6)


def test_scaled_float16_is_shown_unscaled(tmp_path: Path) -> None:
    precision = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=SCALE))
    fit(Regression(), tmp_path / "run", plugins=[precision], gradient_clip_val=0.1)
    recording = Recording(tmp_path / "run")
    check(recording, list(by_hand(Regression(), torch.float16, clip=0.1, scale=SCALE)), relative=2e-6)
    assert [frame.metrics["loss_scale"] for frame in recording.frames] == [SCALE] * STEPS


def test_a_step_that_the_scaler_leaves_out_is_counted(tmp_path: Path) -> None:
    model = Regression()
    model.factors[1] = float("inf")
    fit(model, tmp_path / "run", plugins=[MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=SCALE))])
    recording = Recording(tmp_path / "run")
    assert [frame.metrics["skipped"] for frame in recording.frames] == [0, 1]
    assert recording.frames[-1].metrics["loss_scale"] == SCALE / 2


@pytest.mark.parametrize(
    ("error", "reason", "ends"), [(RuntimeError("no luck"), "crashed", RuntimeError), (KeyboardInterrupt(), "stopped", SystemExit)]
)
def test_what_ends_the_training_early_ends_its_run(tmp_path: Path, error: BaseException, reason: str, ends: type[BaseException]) -> None:
    model = Regression()
    model.raises[2] = error
    with pytest.raises(ends):
        fit(model, tmp_path / "run")
    end = Recording(tmp_path / "run").end
    assert (end.reason, end.step) == (reason, 1)
    assert end.error == ("RuntimeError: no luck" if reason == "crashed" else "")


def test_what_cannot_be_watched_is_trained_all_the_same(tmp_path: Path) -> None:
    class WithoutOptimizer(Regression):
        def configure_optimizers(self) -> Any:
            return None

    (tmp_path / "taken").write_text("", encoding="utf-8")
    for model, where, said in ((WithoutOptimizer(), "run", "no optimizer"), (Regression(), "taken", "cannot record")):
        with pytest.warns(UserWarning, match=said):
            fit(model, tmp_path / where)


@pytest.mark.parametrize(("options", "error"), [({"every": 0}, ValueError), ({"rate": -1.0}, ValueError), ({"evry": 1}, TypeError)])
def test_wrong_arguments_are_refused_before_the_training(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        GradtuiCallback(**options)


@pytest.mark.slow
def test_the_other_package_of_lightning(tmp_path: Path) -> None:
    source = (EXAMPLES / "lightning_module.py").read_text(encoding="utf-8").replace("lightning.pytorch as", "pytorch_lightning as")
    file = tmp_path / "other.py"
    file.write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "tests.examples.every_step", str(tmp_path / "run"), str(file), "--steps", "3"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), cwd=EXAMPLES.parent, timeout=300)
    assert result.returncode == 0, result.stderr
    recording = Recording(tmp_path / "run")
    assert [frame.step for frame in recording.frames] == [0, 1, 2]
    assert recording.end.reason == "finished"
