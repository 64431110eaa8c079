"""Lightning's checkpoints beside PTL: losses of two stages are of different networks, so each stage has its best."""

from __future__ import annotations

import logging

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

logger = logging.getLogger(__name__)


def forget_best(trainer: pl.Trainer) -> None:
    """Let every `ModelCheckpoint` that monitors something begin anew; files of earlier stages stay where they are.

    The best of a whole conversion would be the state before it: analog layers lose nothing.
    """
    for callback in trainer.checkpoint_callbacks:
        if not isinstance(callback, ModelCheckpoint) or callback.monitor is None:
            continue
        if callback.best_model_path:
            logger.info("%s is the best of its stage; the next stage has a best of its own", callback.best_model_path)
        callback.best_k_models, callback.best_model_score, callback.current_score = {}, None, None
        callback.best_model_path = callback.kth_best_model_path = ""
        callback.kth_value = torch.tensor(torch.inf if callback.mode == "min" else -torch.inf)
