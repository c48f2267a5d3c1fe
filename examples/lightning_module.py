"""A LightningModule: an autoencoder of random low-rank data, with accumulation and clipping done by the Trainer.

python examples/lightning_module.py --steps 2000        and in another terminal: gradtui attach
"""

import argparse

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from gradtui.adapters.lightning import GradtuiCallback  # gradtui: the first line


class Autoencoder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
        self.decoder = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 32))

    def training_step(self, batch, batch_idx):
        return F.mse_loss(self.decoder(self.encoder(batch)), batch)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def data(batch_size=16):
    points = torch.randn(1024, 4) @ torch.randn(4, 32)
    return DataLoader(points, batch_size=batch_size)


def main(argv=None, **flags):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args(argv).steps

    pl.seed_everything(0)
    trainer = pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=2,
        gradient_clip_val=0.1,
        enable_checkpointing=False,
        logger=False,
        callbacks=[GradtuiCallback()],  # gradtui: the second line
        **flags,
    )
    trainer.fit(Autoencoder(), data())


if __name__ == "__main__":
    main()
