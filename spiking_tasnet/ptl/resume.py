"""A checkpoint at the start of every epoch, from which a run continues as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from spiking_tasnet.files import whole_file


class EpochCheckpoint(pl.Callback):
    """Save everything at the start of each epoch, when schedulers and callbacks have settled.

    Lightning's own checkpoint at the end of an epoch comes before the learning-rate schedulers step, so a run resumed
    from it differs; and its loop state tells positions inside an epoch. This one holds no loop state but the number
    of the epoch, and the random states of torch and CUDA, which are taken up where the epoch starts. Resume with
    ``trainer.fit(..., ckpt_path=path, weights_only=True)``. Put it after the callbacks whose state it shall hold; count
    the training in epochs, not in steps.

    Args:
        path: the file; the previous one is replaced in one rename.
    """

    def __init__(self, path: str | Path):
        """See the class."""
        self.path = Path(path)
        self._epoch, self._random, self._saving = 0, None, False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on counting epochs where the checkpoint was taken."""
        if self._random is not None:
            progress = trainer.fit_loop.epoch_progress.current
            progress.ready = progress.started = progress.processed = progress.completed = self._epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save; right after a resume, take up the random states instead."""
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"])
            if self._random["cuda"] and torch.cuda.is_available():
                torch.cuda.set_rng_state_all(self._random["cuda"])
            self._random = None
            return
        self._epoch, self._saving = trainer.current_epoch, True
        try:
            with whole_file(self.path) as temporary:
                trainer.save_checkpoint(temporary, weights_only=False)
        finally:
            self._saving = False

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave Lightning's loop state out of our own checkpoint."""
        if self._saving:
            del checkpoint["loops"]

    def state_dict(self) -> dict[str, Any]:
        """The epoch about to start, and the random states now."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"epoch": self._epoch, "random": {"cpu": torch.get_rng_state(), "cuda": cuda}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until training starts."""
        self._epoch, self._random = state_dict["epoch"], state_dict["random"]
