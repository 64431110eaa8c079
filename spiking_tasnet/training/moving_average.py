"""A moving average of the weights, validated and kept in place of the weights (Polyak and Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class MovingAverage(pl.Callback):
    """Average weights and batch norm statistics over a training's steps: average += (1 - d) (weights - average).

    While the network is validated the average stands in the module's place. The factor d rises to `decay` over the
    first steps, d = min(decay, (1 + step) / (10 + step)), so that the random start is soon forgotten.

    Args:
        decay: fraction kept at each step, 0 < decay < 1; about 1 / (1 - decay) steps are averaged.
    """

    def __init__(self, decay: float):
        self.decay, self.steps = decay, 0
        self.average: list[Tensor] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start from the module as it is."""
        if not self.average:
            self.average = [tensor.detach().clone() for tensor in _averaged(pl_module)]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Follow the module to its device."""
        pairs = zip(self.average, _averaged(pl_module), strict=True)
        self.average = [mine.to(tensor.device) for mine, tensor in pairs]

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take in the weights of one step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, tensor in zip(self.average, _averaged(pl_module), strict=True):
            mine.lerp_(tensor, 1 - decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in the module's place."""
        self._swap(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the weights back."""
        self._swap(pl_module)

    @contextmanager
    def swapped_in(self, pl_module: pl.LightningModule) -> Iterator[None]:
        """Have the average in the module's place while the block runs."""
        self._swap(pl_module)
        try:
            yield
        finally:
            self._swap(pl_module)

    @torch.no_grad()
    def _swap(self, pl_module: pl.LightningModule) -> None:
        for mine, tensor in zip(self.average, _averaged(pl_module), strict=True):
            kept = tensor.detach().clone()
            tensor.copy_(mine)
            mine.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """The average so far."""
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the average."""
        self.steps, self.average = state_dict["steps"], state_dict["average"]


def _averaged(module: pl.LightningModule) -> list[Tensor]:
    """Weights and floating-point buffers, in a fixed order."""
    return [tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()]
