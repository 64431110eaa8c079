"""The history of a training: one row an epoch, in a CSV and in the log."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from spiking_tasnet.files import write_text

logger = logging.getLogger(__name__)
DIGITS = 6  # after the point


class History(pl.Callback):
    """One row an epoch in a CSV: epoch from 1, PTL stage, what was logged, learning rate, seconds; one log line.

    Args:
        path: the CSV.
        metrics: logged by the module, in the order of the columns.
        describe: the metrics of a row in words, for the log line.
    """

    def __init__(self, path: str | Path, metrics: Sequence[str], describe: Callable[[dict[str, Any]], str]):
        """See the class."""
        self.path, self.metrics, self.describe = Path(path), tuple(metrics), describe
        self.rows: list[dict[str, Any]] = []
        self._began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row."""
        stage = next((c.records[-1].ptl_stage for c in trainer.callbacks if getattr(c, "records", None)), 0)
        row = {
            "epoch": trainer.current_epoch + 1,
            "ptl_stage": stage,
            **{name: round(trainer.callback_metrics[name].item(), DIGITS) for name in self.metrics},
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._began, 2),
        }
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
        logger.info(
            "epoch %d%s: %s (lr %.2g, %.0f s)",
            row["epoch"],
            f" (PTL stage {stage})" if stage else "",
            self.describe(row),
            row["lr"],
            row["seconds"],
        )

    def state_dict(self) -> dict[str, Any]:
        """The rows, so that a resumed run goes on in the same file."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows."""
        self.rows = list(state_dict["rows"])
