"""Run a LightningModule's own steps outside Lightning's loops and read what they log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from spiking_tasnet.snn.conversion import evaluating


@contextmanager
def captured_log(module: pl.LightningModule) -> Iterator[dict[str, list[float]]]:
    """Collect what `module.log` and `module.log_dict` are given, instead of passing it to Lightning."""
    logged: dict[str, list[float]] = {}

    def log(name: str, value: Any, *_: Any, **__: Any) -> None:
        logged.setdefault(name, []).append(float(value))

    def log_dict(values: dict[str, Any], *_: Any, **__: Any) -> None:
        for name, value in values.items():
            log(name, value)

    module.__dict__.update(log=log, log_dict=log_dict)
    try:
        yield logged
    finally:
        del module.__dict__["log"], module.__dict__["log_dict"]


def batch_size_of(batch: Any) -> int:
    """Items in a batch: the first dimension of its first tensor, 1 where it holds none."""
    if isinstance(batch, Tensor):
        return batch.shape[0] if batch.dim() else 1
    items = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (list, tuple)) else ()
    return next((batch_size_of(item) for item in items), 1)


def validate(trainer: pl.Trainer, module: pl.LightningModule, names: Sequence[str]) -> dict[str, float]:
    """Means of what `validation_step` logs under `names`, each batch weighted by its size, in eval mode.

    Raises:
        ValueError: `validation_step` does not log one of them, or there is no validation data.
    """
    totals, items = [0.0] * len(names), 0
    loaders = trainer.val_dataloaders
    loaders = loaders if isinstance(loaders, (list, tuple)) else [loaders]
    with evaluating(module):
        for loader in loaders:
            for index, batch in enumerate(() if loader is None else loader):
                values, size = _logged(trainer, module, batch, index, names), batch_size_of(batch)
                totals = [total + value * size for total, value in zip(totals, values, strict=True)]
                items += size
    sums = trainer.strategy.reduce(torch.tensor([*totals, float(items)], dtype=torch.float64), reduce_op="sum")
    if not sums[-1]:
        raise ValueError("no validation data found: progressive tandem learning needs it to end its stages")
    return dict(zip(names, (sums[:-1] / sums[-1]).tolist(), strict=True))


def _logged(
    trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int, names: Sequence[str]
) -> list[float]:
    with captured_log(module) as logged:
        batch = trainer.strategy.batch_to_device(batch)
        trainer.strategy.validation_step(batch, index)
    for name in names:
        if name not in logged:
            found = ", ".join(logged) or "nothing"
            raise ValueError(f"validation_step logs {found}, {name!r} expected: log it, or set the callback's monitor")
    return [logged[name][-1] for name in names]


def run_training_batches(trainer: pl.Trainer, module: pl.LightningModule, count: int) -> None:
    """Run `training_step` on the first `count` training batches of the present epoch, for its activations only."""
    batches = () if trainer.train_dataloader is None else trainer.train_dataloader
    with captured_log(module):
        for index, batch in enumerate(islice(batches, count)):
            module.training_step(trainer.strategy.batch_to_device(batch), index)
