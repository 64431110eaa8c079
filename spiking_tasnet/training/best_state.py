"""The best state of a training by validation: kept while it runs, loaded when it ends."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from spiking_tasnet.training.moving_average import MovingAverage


def copied_state(module: pl.LightningModule) -> dict[str, Any]:
    """The module's state dict as it is now, its tensors copied to the CPU."""
    state = module.state_dict()
    return {key: value.detach().cpu().clone() if isinstance(value, Tensor) else value for key, value in state.items()}


class BestState(pl.Callback):
    """Keep the state of the epoch with the lowest `monitor` and load it back when training ends.

    Args:
        monitor: name of a logged validation loss; lower is better.
        average: keep the averaged weights, which are the validated ones, instead of the module's.
    """

    def __init__(self, monitor: str = "val_loss", average: MovingAverage | None = None) -> None:
        self.monitor, self.average, self.best, self.state = monitor, average, float("inf"), None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the state if it is the best."""
        loss = trainer.callback_metrics[self.monitor].item()
        if loss < self.best:
            with self.average.swapped_in(pl_module) if self.average else nullcontext():
                self.best, self.state = loss, copied_state(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the best state."""
        if self.state is None:
            raise ValueError("no epoch ended with a finite dev loss: the network diverged; lower the learning rate")
        pl_module.load_state_dict(self.state)

    def state_dict(self) -> dict[str, Any]:
        """The best state so far."""
        return {"best": self.best, "state": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best state so far."""
        self.best, self.state = state_dict["best"], state_dict["state"]
