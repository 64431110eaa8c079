"""One Lightning trainer for every training of the recipes: resume, progress bar, history."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.utilities.exceptions import SIGTERMException

from spiking_tasnet.memory import keep_freed_memory
from spiking_tasnet.processes import ProcessConfig, is_first, keep_safe_path
from spiking_tasnet.training.checkpoint import EpochCheckpoint, find_checkpoint
from spiking_tasnet.training.history import Column, History
from spiking_tasnet.training.loaders import loader_faults, sigterm_as_exit
from spiking_tasnet.training.precision import best_precision

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingFacts:
    """How long a training took, and how large its module is."""

    hours: float
    parameters: int
    epochs: int


def fit(
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    out: Path,
    callbacks: list[pl.Callback],
    *,
    metrics: Sequence[str],
    describe: Callable[[dict[str, Any]], str],
    columns: Sequence[Column] = (),
    max_epochs: int,
    clip_norm: float | None = None,
    precision: str = "32-true",
    processes: ProcessConfig | None = None,
) -> TrainingFacts:
    """Train `module` in the folder `out`, or continue a run that was interrupted there.

    With several processes the first returns; the others end here, with exit code 0.

    Args:
        module: logs `metrics`.
        data: loaders.
        out: gets history.csv and last.ckpt, and the checkpoint of the epoch before.
        callbacks: their state is restored in a resumed run.
        metrics: columns of the history.
        describe: turns a row of the history into words.
        columns: further columns of the history.
        max_epochs: longest duration.
        clip_norm: gradient norm limit; None for none.
        precision: Lightning's, or ``auto``.
        processes: how many there are, where; None for one.

    Returns:
        How long the training took, over all calls, and the size of what was trained.

    Raises:
        KeyboardInterrupt: the user stopped it; the next call continues.
        SystemExit: with code 143, after a SIGTERM; the next call continues. With code 0 in a process that is not the
            first.
        ValueError: a loader process cannot read an item, or all checkpoints are damaged.
        OSError: loader processes lack shared memory.
    """
    processes = processes or ProcessConfig()
    first = is_first(processes)
    keep_freed_memory()
    keep_safe_path()
    if not first:
        logging.getLogger("spiking_tasnet").setLevel(logging.WARNING)  # the first process says the rest
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, history = out / "last.ckpt", History(out / "history.csv", metrics, describe, columns)
    going_on = find_checkpoint(checkpoint, mend=first)
    bar = sys.stderr.isatty()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        trainer = pl.Trainer(
            max_epochs=max_epochs,
            gradient_clip_val=clip_norm,
            precision=cast(Any, best_precision(precision)),  # Lightning checks it, against a private type
            accelerator="auto",
            **processes.trainer_options(),
            callbacks=[*callbacks, history, *([TQDMProgressBar()] if bar else []), EpochCheckpoint(checkpoint)],
            enable_progress_bar=bar,
            enable_checkpointing=False,
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        if going_on and first:
            logger.info("going on from %s", going_on)
        try:
            with loader_faults(), sigterm_as_exit():
                trainer.fit(module, data, ckpt_path=str(going_on) if going_on else None, weights_only=True)
        except SIGTERMException:  # Lightning's exit code would be 0, as of a training that is done
            raise SystemExit(128 + signal.SIGTERM) from None
        except SystemExit as end:  # so Lightning ends on Ctrl-C, with the exit code of a failure
            if end.code != 1 or not trainer.interrupted:
                raise
        except Exception:  # what went wrong after the signal is no fault of the training
            if trainer.received_sigterm:
                raise SystemExit(128 + signal.SIGTERM) from None
            raise
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        raise SystemExit(0)
    return TrainingFacts(
        hours=round(sum(row["seconds"] for row in history.rows) / 3600, 4),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        epochs=len(history.rows),
    )
