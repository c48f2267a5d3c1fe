"""One rank of a training under an adapter: `python -m tests.adapters.ranks LIBRARY DIRECTORY MICRO_BATCHES [FAILING_RANK]`, started by
torchrun or by its variables. What every step was made of is saved beside the run. A failing rank fails in its third step."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CLIP, RATE, STEPS, BATCH = 0.05, 0.1, 3, 4


class Line(nn.Module):
    """Keeps what it is given, and fails when it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
        self.given: list[tuple[Tensor, Tensor]] = []
        self.fails_at = fails_at

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if len(self.given) == self.fails_at:
            raise ValueError("no luck")
        self.given.append((x.clone(), labels.clone()))
        return {"loss": self.loss(x, labels)}

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        found: Tensor = (self.net(x).squeeze(-1) - labels).square().mean()
        return found


def points() -> list[dict[str, Tensor]]:
    """The later ones are larger, so that no two ranks have gradients alike."""
    generator = torch.Generator().manual_seed(1)
    size = 2 * STEPS * 2 * BATCH
    return [
        {"x": torch.randn(6, generator=generator) * (1 + place / size), "labels": torch.tensor(float(place % 3))} for place in range(size)
    ]


def with_lightning(line: Line, path: Path, micro_batches: int) -> None:
    import lightning.pytorch as pl
    from torch.utils.data import DataLoader

    from gradtui.adapters.lightning import GradtuiCallback

    class Module(pl.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.line = line

        def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
            return self.line(**batch)["loss"]  # type: ignore[no-any-return]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=RATE)

    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_steps=STEPS,
        accumulate_grad_batches=micro_batches,
        gradient_clip_val=CLIP,
        callbacks=[GradtuiCallback(run_dir=path, every=1)],
        **quiet,
    )
    trainer.fit(Module(), DataLoader(points(), batch_size=BATCH))  # type: ignore[arg-type]


def with_transformers(line: Line, path: Path, micro_batches: int) -> None:
    from transformers import Trainer, TrainingArguments

    from gradtui.adapters.transformers import GradtuiCallback

    arguments = TrainingArguments(
        str(path.parent / "out"),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=micro_batches,
        max_grad_norm=CLIP,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        use_cpu=True,
        ddp_backend="gloo",
        disable_tqdm=True,
        save_strategy="no",
        report_to="none",
    )
    optimizer = torch.optim.SGD(line.parameters(), lr=RATE)
    watching = GradtuiCallback(run_dir=path, every=1)
    Trainer(line, arguments, train_dataset=points(), callbacks=[watching], optimizers=(optimizer, None)).train()


def main(library: str, directory: str, micro_batches: str, failing_rank: str = "") -> None:
    rank, path = os.environ["RANK"], Path(directory)
    line = Line(2 * int(micro_batches) if rank == failing_rank else None)
    {"lightning": with_lightning, "transformers": with_transformers}[library](line, path / "run", int(micro_batches))
    torch.save(line.given, path / f"given-{rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
