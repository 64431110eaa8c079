"""The LightningModule of the separation network: PIT SI-SDR, Adam."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from spiking_tasnet.separation.config import TrainConfig
from spiking_tasnet.separation.losses import pit_si_sdr
from spiking_tasnet.separation.network import TasNet


class SeparationModule(pl.LightningModule):
    """Train a `TasNet`; `train_loss` and `val_loss` are negative SI-SDR in dB.

    Args:
        network: analog, or already converted in part.
        config: schedule.
    """

    def __init__(self, network: TasNet, config: TrainConfig):
        """See the class."""
        super().__init__()
        self.network, self.config, self.loss = network, config, pit_si_sdr()

    def forward(self, mixture: Tensor) -> Tensor:
        """(batch, time) -> (batch, n_src, time)."""
        return self.network(mixture)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        mixture, sources = batch
        loss = self.loss(self(mixture), sources)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(mixture))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss of one batch."""
        mixture, sources = batch
        loss = self.loss(self(mixture), sources)
        self.log("val_loss", loss, prog_bar=True, batch_size=len(mixture), sync_dist=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam on what is not frozen; halved on a plateau, or falling as a cosine."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=self.config.lr)
        if self.config.schedule == "cosine":
            schedule = CosineAnnealingLR(optimizer, T_max=self.config.max_epochs)
        else:
            # The patience of torch counts epochs that are tolerated; the rate falls after one more.
            schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=self.config.halve_after - 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
