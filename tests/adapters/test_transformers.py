"""The callback in a real Trainer of Hugging Face's, and a loop of one's own over Accelerate."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

import gradtui
from gradtui.adapters.transformers import GradtuiCallback
from tests.examples.example import STEPS, Step, check, gradients, load, record
from tests.watch.recordings import Recording

CLIP, RATE = 0.5, 1e-3
FOLDED = {f"transformer.h.{block}.ln_1": f"transformer.h.{block}.attn.c_attn" for block in range(3)}
FOLDED |= {f"transformer.h.{block}.ln_2": f"transformer.h.{block}.mlp.c_fc" for block in range(3)}


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bf16: bool) -> None:
    example = load("hf_trainer")
    torch.manual_seed(0)
    model = example.network()
    twin, seen = copy.deepcopy(model), list[Tensor]()
    model.register_forward_pre_hook(lambda _, args, given: seen.append(given["input_ids"].clone()), with_kwargs=True)
    monkeypatch.setattr(example, "network", lambda: model)
    recording = record(monkeypatch, tmp_path, example, use_cpu=True, bf16=bf16, disable_tqdm=True)
    optimizer = torch.optim.AdamW(twin.parameters(), lr=RATE, weight_decay=0.0)
    steps = list[Step]()
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)  # the Trainer's linear decay
        optimizer.zero_grad()
        for tokens in seen[2 * step : 2 * step + 2]:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = twin(input_ids=tokens).logits
            loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")
            # The Trainer counts every label, also the first, which is nobody's target.
            (loss / (2 * tokens.numel())).backward()  # type: ignore[no-untyped-call]
        steps.append(gradients(twin, CLIP, FOLDED))
        optimizer.step()
    assert len(seen) == 2 * STEPS
    assert min(step.total for step in steps) > CLIP, "every step is clipped"
    check(recording, steps, relative=2e-6)


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        out = self.net(x).squeeze(-1)
        return {"logits": out} if labels is None else {"loss": (out - labels).square().mean(), "logits": out}


def points(count: int) -> list[dict[str, Tensor]]:
    return [{"x": torch.randn(6), "labels": torch.randn(())} for _ in range(count)]


def test_the_loss_that_the_trainer_logs_and_its_evaluations_are_shown(tmp_path: Path) -> None:
    arguments = TrainingArguments(
        str(tmp_path / "out"),
        max_steps=5,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=2,
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        report_to="none",
    )
    watching = GradtuiCallback(run_dir=tmp_path / "run", every=1)
    trainer = Trainer(Line(), arguments, train_dataset=points(64), eval_dataset=points(8), callbacks=[watching])
    trainer.train()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    evaluated = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    recording = Recording(tmp_path / "run")
    assert [frame.step for frame in recording.frames] == [0, 1, 2, 3, 4]
    assert [frame.loss for frame in recording.frames if frame.loss is not None] == pytest.approx(logged)
    assert [frame.metrics["eval_loss"] for frame in recording.frames if "eval_loss" in frame.metrics] == pytest.approx(
        [evaluated[0], evaluated[2]]
    )
    assert len(logged) == 2
    assert len(evaluated) == 3, "the second and that of the end fall to the last frame"


def test_a_loop_over_accelerate(tmp_path: Path) -> None:
    """The optimizer that Accelerate returns is not the one that steps, and it does not step while gradients accumulate."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    data = torch.randn(2 * STEPS, 16, 6)
    bare, twin = Line(), Line()
    model, optimizer = accelerator.prepare(bare, torch.optim.SGD(bare.parameters(), lr=0.1))
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for x in data:
            with accelerator.accumulate(model):
                accelerator.backward(model(x)["logits"].square().mean())
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 0.01)
                optimizer.step()
                optimizer.zero_grad()
    plain, steps = torch.optim.SGD(twin.parameters(), lr=0.1), list[Step]()
    for pair in data.view(STEPS, 2, 16, 6):
        plain.zero_grad()
        for x in pair:
            (twin(x)["logits"].square().mean() / 2).backward()
        steps.append(gradients(twin, 0.01))
        plain.step()
    check(Recording(tmp_path), steps, relative=2e-6)


@pytest.mark.parametrize(("options", "error"), [({"share": 2.0}, ValueError), ({"evry": 1}, TypeError)])
def test_wrong_arguments_are_refused_before_the_training(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        GradtuiCallback(**options)
