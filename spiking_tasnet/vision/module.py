"""The LightningModule of the vision networks: classification by cross-entropy, reconstruction by squared error."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.ptl.stage_rate import Rate
from spiking_tasnet.vision.config import TrainConfig


class VisionModule(pl.LightningModule):
    """Train an image network, whether its layers are analog or spiking.

    Args:
        network: images (batch, chan, height, width) -> scores (batch, n_classes), or images of the same shape.
        config: schedule.
        reconstruct: the target is the input and the loss the mean squared error; otherwise cross-entropy with labels.
    """

    def __init__(self, network: nn.Module, config: TrainConfig, *, reconstruct: bool = False):
        """Keep the network and its schedule."""
        super().__init__()
        self.network, self.config, self.reconstruct = network, config, reconstruct

    def forward(self, images: Tensor) -> Tensor:
        """Run the network."""
        return self.network(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        images, labels = batch
        output = self(images)
        loss = F.mse_loss(output, images) if self.reconstruct else F.cross_entropy(output, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss, and the accuracy (0 to 1) of a classifier."""
        images, labels = batch
        output = self(images)
        if self.reconstruct:
            values = {"val_loss": F.mse_loss(output, images)}
        else:
            right = (output.argmax(1) == labels).float().mean()
            values = {"val_loss": F.cross_entropy(output, labels), "val_accuracy": right}
        self.log_dict(values, prog_bar=True, batch_size=len(images), sync_dist=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the logged metrics, in the order of the columns of history.csv."""
        return ("train_loss", "val_loss") if self.reconstruct else ("train_loss", "val_loss", "val_accuracy")

    def describe(self, row: dict[str, Any]) -> str:
        """One line of text for a row of the history."""
        if self.reconstruct:
            return f"MSE train {row['train_loss']:.5f}, validation {row['val_loss']:.5f}"
        losses = f"train {row['train_loss']:.4f}, validation {row['val_loss']:.4f}"
        return f"{losses}, accuracy {100 * row['val_accuracy']:.2f} %"

    @property
    def rate_in_stage(self) -> Rate | None:
        """The learning rate inside a stage of PTL, where the schedule counts its epochs: half a cosine."""
        return half_cosine if self.config.schedule == "stage" else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters that are not frozen."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        return torch.optim.Adam(trained, lr=self.config.lr)

    def on_train_epoch_start(self) -> None:
        """Set the rate of the epoch, also in an optimiser that a conversion has just made."""
        config = self.config
        if config.schedule == "stage":
            return
        if config.schedule == "step":
            factor = 0.1 if self.current_epoch >= config.decay_at else 1.0
        else:
            factor = half_cosine(self.current_epoch, config.max_epochs)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def half_cosine(epochs: float, length: int) -> float:
    """Factor of the learning rate in an epoch: from 1 to 0 over `length` epochs.

    Examples:
        >>> [half_cosine(epoch, 2) for epoch in (0, 1.7, 2)]
        [1.0, 0.5, 0.0]
    """
    return (1 + math.cos(math.pi * min(1.0, int(epochs) / length))) / 2
