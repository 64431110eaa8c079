"""Training batches for a measurement: from a loader of its own, through Lightning's hooks."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch.utils.data import DataLoader

from spiking_tasnet.ptl.validation import without_loggers
from spiking_tasnet.snn.compose import modes_restored

# Runs a module on one batch, for the activations of its layers only.
RunBatch = Callable[[Any, Any], object]


def run_training_batches(
    trainer: pl.Trainer, copied: pl.LightningModule, count: int, run_batch: RunBatch | None = None
) -> None:
    """Run a copy of the module on the first `count` training batches of the present epoch.

    Each batch takes the way of Lightning's training loop: the precision plugin, the hooks of the transfer, the hooks at
    the start of an epoch and of a batch, `training_step`.

    Args:
        trainer: of the training that is under way; `limit_train_batches` holds.
        copied: of `isolated_copy`; its counters and metrics change.
        count: batches of this process.
        run_batch: runs the module on a batch instead of `training_step`.
    """
    precision = trainer.precision_plugin
    with without_loggers(trainer), _own_batches(trainer) as batches:
        with modes_restored(copied):  # a hook's `self.train()` is not meant in a measurement
            copied.on_train_epoch_start()
        for index, batch in enumerate(islice(batches, int(min(count, trainer.num_training_batches)))):
            batch = copied._on_before_batch_transfer(precision.convert_input(batch), dataloader_idx=0)
            batch = copied._apply_batch_transfer_handler(batch, trainer.strategy.root_device, dataloader_idx=0)
            with precision.train_step_context():
                with modes_restored(copied):
                    copied.on_train_batch_start(batch, index)
                if run_batch:
                    run_batch(copied, batch)
                else:
                    arguments = trainer.fit_loop.epoch_loop._build_kwargs(OrderedDict(), batch, index)
                    copied.training_step(*arguments.values())


@contextmanager
def _own_batches(trainer: pl.Trainer) -> Iterator[Iterator[Any]]:
    """Batches of copies of the training loaders: the trainer's own may be in the middle of an epoch.

    The state of the loaders' random generators is restored.
    """
    combined = trainer.fit_loop._combined_loader
    assert combined is not None  # Lightning sets it up before the first hook of a training
    generators = {
        id(generator): generator
        for loader in combined.flattened
        for generator in (getattr(loader, "generator", None), getattr(_sampler(loader), "generator", None))
        if generator is not None
    }
    states = [generator.get_state() for generator in generators.values()]
    own: CombinedLoader = copy.copy(combined)
    own._iterator = None
    own.flattened = [own_loader(loader) for loader in combined.flattened]
    try:
        yield (batch for batch, _, _ in own)
    finally:
        own._iterator = None  # nothing reads the loader processes any more, so they end
        for generator, state in zip(generators.values(), states, strict=True):
            generator.set_state(state)


def own_loader(loader: Any) -> Any:
    """A loader of the same batches that shares no iterator with `loader`; one that is no `DataLoader` is shared."""
    if not isinstance(loader, DataLoader):
        return loader
    own = copy.copy(loader)
    # torch refuses to set it on a loader that is made; a persistent iterator would be shared with the copy.
    vars(own).update(_iterator=None, persistent_workers=False)
    return own


def _sampler(loader: Any) -> Any:
    sampler = getattr(loader, "sampler", None)
    return getattr(sampler, "sampler", sampler)  # Lightning wraps it where there are several processes
