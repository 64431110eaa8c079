"""The history of a training: one row per epoch, in a CSV and in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl

from spiking_tasnet.report.history import write_history

logger = logging.getLogger(__name__)
DIGITS = 6  # after the point


class Column(NamedTuple):
    """A column of a history that the module does not log.

    Attributes:
        name: in the CSV.
        label: in the log line, where the value is not 0.
        value: called at the end of each epoch.
    """

    name: str
    label: str
    value: Callable[[], int]


class History(pl.Callback):
    """One row per epoch in a CSV: epoch from 1, `columns`, what was logged, learning rate, seconds; and one log line.

    Args:
        path: the CSV.
        metrics: names of what the module logs, in the order of the columns.
        describe: turns a row into words, for the log line.
        columns: further columns.
    """

    def __init__(
        self,
        path: str | Path,
        metrics: Sequence[str],
        describe: Callable[[dict[str, Any]], str],
        columns: Sequence[Column] = (),
    ):
        self.path, self.metrics, self.describe, self.columns = Path(path), tuple(metrics), describe, tuple(columns)
        self.rows: list[dict[str, Any]] = []
        self._began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row."""
        row = {
            "epoch": trainer.current_epoch + 1,
            **{column.name: column.value() for column in self.columns},
            **{name: round(trainer.callback_metrics[name].item(), DIGITS) for name in self.metrics},
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._began, 2),
        }
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        write_history(self.path, self.rows)
        notes = [f" ({column.label} {row[column.name]})" for column in self.columns if row[column.name]]
        logger.info(
            "epoch %d%s: %s (lr %.2g, %.0f s)",
            row["epoch"],
            "".join(notes),
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
