"""The LightningModule of the vision networks: classification by cross-entropy, reconstruction by squared error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.vision.config import TrainConfig


class VisionModule(pl.LightningModule):
    """Train an image network, whether its layers are analog or spiking.

    Args:
        network: images (batch, chan, height, width) -> scores (batch, n_classes), or images of the same shape.
        config: schedule.
        reconstruct: the target is the input and the loss the mean squared error; otherwise cross-entropy with labels.
        position: gives the epoch, counted from 0, at which the schedule stands, and the number of epochs it has; None
            for one schedule over the whole run.
    """

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        *,
        reconstruct: bool = False,
        position: Callable[[], tuple[int, int]] | None = None,
    ):
        """Keep the network and its schedule."""
        super().__init__()
        self.network, self.config, self.reconstruct, self.position = network, config, reconstruct, position

    def forward(self, images: Tensor) -> Tensor:
        """Run the network."""
        return self.network(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        images, labels = batch
        output = self(images)
        loss = F.mse_loss(output, images) if self.reconstruct else F.cross_entropy(output, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
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

    def learning_rate(self, epoch: int, length: int) -> float:
        """Adam's rate in an epoch, counted from 0, of a schedule that has `length` epochs."""
        config = self.config
        if config.schedule == "step":
            return config.lr * (0.1 if epoch >= config.decay_at else 1.0)
        return config.lr * (1 + math.cos(math.pi * min(1.0, epoch / length))) / 2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all parameters that are not frozen."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        return torch.optim.Adam(trained, lr=self.config.lr)

    def on_train_epoch_start(self) -> None:
        """Set the rate of the epoch, also in an optimiser that a conversion has just made.

        Lightning calls this after the callbacks, so a stage that begins in this epoch has begun.
        """
        epoch, length = self.position() if self.position else (self.current_epoch, self.config.max_epochs)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(epoch, length)
