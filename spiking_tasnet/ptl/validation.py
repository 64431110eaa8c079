"""A validation between two epochs: Lightning's own loop, which leaves nothing behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, ProgressBar
from pytorch_lightning.loggers.logger import DummyLogger, Logger

from spiking_tasnet.ptl.ranks import agreed_means


def validate(trainer: pl.Trainer, module: pl.LightningModule, names: Sequence[str]) -> dict[str, float]:
    """Validate as Lightning does after an epoch and read what is logged under `names`, the same in all processes.

    Limits, hooks, precision, metric objects and the transfer of batches are Lightning's. Callbacks that count
    validations (checkpoints, early stopping) do not see this one, and no logger records it.

    Raises:
        ValueError: one of them is not logged, or there is no validation data.
    """
    loop = trainer.fit_loop.epoch_loop.val_loop
    with _unseen(trainer):
        loop.run()
        found = dict(trainer.callback_metrics)
    if loop.skip:
        raise ValueError("no validation data found: progressive tandem learning needs it to end its stages")
    means = agreed_means(trainer, {name: found.get(name) for name in names})
    for name, value in means.items():
        if value is None:
            logged = ", ".join(found) or "nothing"
            raise ValueError(f"validation_step logs {logged}, {name!r} expected: log it, or set the callback's monitor")
    return {name: value for name, value in means.items() if value is not None}


@contextmanager
def without_loggers(trainer: pl.Trainer) -> Iterator[None]:
    """Have loggers that take everything and write nothing in place of the trainer's."""
    loggers = trainer.loggers
    nothing: list[Logger] = [DummyLogger() for _ in loggers]
    trainer.loggers = nothing
    try:
        yield
    finally:
        trainer.loggers = loggers


@contextmanager
def _unseen(trainer: pl.Trainer) -> Iterator[None]:
    """The state of a validation inside, that of the training after."""
    loop, connector = trainer.fit_loop.epoch_loop.val_loop, trainer._logger_connector
    before, progress = vars(connector).copy(), copy.deepcopy(loop.batch_progress)
    callbacks: list[pl.Callback] = vars(trainer)["callbacks"]
    counts = {
        (owner, name): copy.copy(vars(owner)[name])
        for owner, name in ((loop, "_seen_batches_per_dataloader"), (trainer, "_last_val_time"))
        if name in vars(owner)  # not in every version of Lightning
    }
    counting = Checkpoint | EarlyStopping | ProgressBar
    vars(trainer)["callbacks"] = [callback for callback in callbacks if not isinstance(callback, counting)]
    trainer.validating = True
    connector.reset_results()
    connector.reset_metrics()  # new dictionaries: those of the training stay as they are
    try:
        with without_loggers(trainer):
            yield
    finally:
        connector.reset_results()
        trainer.training = True
        vars(connector).update(before)
        vars(trainer)["callbacks"], loop.batch_progress = callbacks, progress
        for (owner, name), value in counts.items():
            setattr(owner, name, value)
