"""A checkpoint at the start of every epoch, from which a run continues as if it had never stopped."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from spiking_tasnet.files import whole_file
from spiking_tasnet.plain_file import read_plain

logger = logging.getLogger(__name__)
PARTS = ("epoch", "state_dict", "callbacks", "optimizer_states", "lr_schedulers", "pytorch-lightning_version")


class EpochCheckpoint(pl.Callback):
    """Save everything at the start of each epoch, when schedulers and callbacks have settled.

    Lightning's own checkpoint at the end of an epoch comes before the learning-rate schedulers step, so a run resumed
    from it differs; and its loop state holds positions inside an epoch. This one holds only the number of the epoch
    and the random states of torch and CUDA, which are restored where the epoch starts. Resume with
    ``trainer.fit(..., ckpt_path=path, weights_only=True)``. Place it after the callbacks whose state it should save;
    limit the training by epochs, not by steps.

    Args:
        path: the file; the one of the epoch before stays beside it (see `find_checkpoint`).
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._epoch, self._random, self._saving = 0, None, False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Continue counting epochs from the checkpoint."""
        if self._random is not None:
            counters = vars(trainer.fit_loop.epoch_progress.current)  # ready, started, processed, completed
            counters.update(dict.fromkeys(counters, self._epoch))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save; right after a resume, restore the random states instead."""
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"])
            if self._random["cuda"] and torch.cuda.is_available():
                torch.cuda.set_rng_state_all(self._random["cuda"])
            self._random = None
            return
        self._epoch, self._saving = trainer.current_epoch, True
        try:
            if trainer.is_global_zero:
                self._write(trainer)
            else:  # takes part, and writes nothing
                trainer.save_checkpoint(self.path, weights_only=False)
        finally:
            self._saving = False

    def _write(self, trainer: pl.Trainer) -> None:
        with whole_file(self.path, durable=True) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)
            if self.path.exists():
                os.replace(self.path, previous_checkpoint(self.path))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave Lightning's loop state out of our own checkpoint."""
        if self._saving:
            del checkpoint["loops"]

    def state_dict(self) -> dict[str, Any]:
        """The epoch that is about to start, and the present random states."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"epoch": self._epoch, "random": {"cpu": torch.get_rng_state(), "cuda": cuda}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until training starts."""
        self._epoch, self._random = state_dict["epoch"], state_dict["random"]


def previous_checkpoint(path: Path) -> Path:
    """Path of the checkpoint of the epoch before."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def find_checkpoint(path: str | Path, *, mend: bool = True) -> Path | None:
    """Find the checkpoint to continue from: the newest that is whole. A damaged one is replaced by the one before it.

    A run that continues from the epoch before only repeats that epoch, and ends the same.

    Args:
        path: of `EpochCheckpoint`.
        mend: replace a damaged file; False only looks, as every process but the first does.

    Returns:
        `path`; if it is damaged (with a warning) or missing, the checkpoint of the epoch before; None if there is none.

    Raises:
        ValueError: there are checkpoints, but all are damaged.
    """
    path, faults = Path(path), []
    for place in (path, previous_checkpoint(path)):
        if not place.exists():
            continue
        try:
            _check(place)
        except ValueError as error:
            faults.append(str(error))
            continue
        if faults and mend:
            logger.warning("%s; going on from the epoch before", faults[0])
            os.replace(place, path)  # the next epoch keeps this one beside it, not the damaged one
            return path
        return place
    if faults:
        raise ValueError(faults[0])
    return None


def _check(path: Path) -> None:
    advice = f"remove {path.parent} to train anew (run.sh: --force)"
    contents = read_plain(path, "a checkpoint", advice)
    if not isinstance(contents, dict) or any(part not in contents for part in PARTS):
        raise ValueError(f"{path}: not a checkpoint of this toolkit: a part is missing; {advice}")


def remove_checkpoints(path: str | Path) -> None:
    """Remove the checkpoints of a finished training, which are several times as large as the model."""
    for place in (Path(path), previous_checkpoint(Path(path))):
        place.unlink(missing_ok=True)
