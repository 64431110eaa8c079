"""The learning rate inside a stage of PTL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl

# (epochs of the stage that are over, with a fraction for its batches; its longest duration in epochs) -> factor of the
# learning rate that the stage began with
Rate = Callable[[float, int], float]


def linear_fall(epochs: float, length: int) -> float:
    """Factor of the learning rate that falls linearly from 1 to 0 over the longest duration of a stage.

    Examples:
        >>> [linear_fall(epochs, 4) for epochs in (0, 1, 3.5)]
        [1.0, 0.75, 0.125]
    """
    return max(0.0, 1 - epochs / length)


def keep_initial_rates(trainer: pl.Trainer) -> None:
    """Note the rate of each parameter group of new optimisers as torch's schedulers do, in `initial_lr`.

    It is part of the optimiser's state, so a resumed stage knows what its rate falls from.
    """
    for group in _groups(trainer):
        group.setdefault("initial_lr", group["lr"])


def set_rates(trainer: pl.Trainer, factor: float) -> None:
    """Set every learning rate to `factor` times the one that the stage began with."""
    for group in _groups(trainer):
        group["lr"] = group["initial_lr"] * factor


def scale_rates(trainer: pl.Trainer, first: float) -> None:
    """Scale the rates of new optimisers, and what their schedulers count from, so that the first group's is `first`."""
    groups = list(_groups(trainer))
    if not groups:
        return
    factor = first / groups[0]["initial_lr"]
    for group in groups:
        group["lr"] *= factor
        group["initial_lr"] *= factor
    for config in trainer.lr_scheduler_configs:
        base = getattr(config.scheduler, "base_lrs", None)  # ReduceLROnPlateau has none
        if base is not None:
            config.scheduler.base_lrs = [rate * factor for rate in base]


def _groups(trainer: pl.Trainer) -> Iterator[dict[str, Any]]:
    for optimizer in trainer.optimizers:
        yield from optimizer.param_groups
