"""What a training leaves behind: its history, its best state, and a record of how it was run."""

from __future__ import annotations

import csv
import io
import logging
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

import spiking_tasnet
from spiking_tasnet.files import write_text

logger = logging.getLogger(__name__)
COLUMNS = ("epoch", "ptl_stage", "train_loss", "val_loss", "lr", "seconds")
PACKAGES = ("torch", "torchaudio", "pytorch-lightning", "asteroid", "numpy")


class History(pl.Callback):
    """One row an epoch in `path` (CSV: epoch from 1, PTL stage, losses in dB, learning rate, seconds); one log line."""

    def __init__(self, path: str | Path):
        """See the class."""
        self.path, self.rows, self._began = Path(path), [], 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the row."""
        metrics = trainer.callback_metrics
        stage = next((c.records[-1].ptl_stage for c in trainer.callbacks if getattr(c, "records", None)), 0)
        row = {
            "epoch": trainer.current_epoch + 1,
            "ptl_stage": stage,
            "train_loss": round(metrics["train_loss"].item(), 4),
            "val_loss": round(metrics["val_loss"].item(), 4),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._began, 2),
        }
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
        logger.info(
            "epoch %d%s: train %.2f dB, dev %.2f dB SI-SDR (lr %.2g, %.0f s)",
            row["epoch"],
            f" (PTL stage {stage})" if stage else "",
            -row["train_loss"],
            -row["val_loss"],
            row["lr"],
            row["seconds"],
        )

    def state_dict(self) -> dict[str, Any]:
        """The rows, so that a resumed run goes on in the same file."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows."""
        self.rows = list(state_dict["rows"])


class BestState(pl.Callback):
    """Keep the weights of the epoch with the lowest `val_loss` and load them back when training ends."""

    def __init__(self) -> None:
        """See the class."""
        self.best, self.state = float("inf"), None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare."""
        loss = trainer.callback_metrics["val_loss"].item()
        if loss < self.best:
            self.best = loss
            self.state = {key: value.detach().cpu().clone() for key, value in _tensors(pl_module).items()}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the best weights."""
        if self.state is None:
            raise ValueError("no epoch ended with a finite dev loss: the network diverged; lower the learning rate")
        pl_module.load_state_dict(self.state, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"best": self.best, "state": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best so far."""
        self.best, self.state = state_dict["best"], state_dict["state"]


def _tensors(module: pl.LightningModule) -> dict[str, Any]:
    return {key: value for key, value in module.state_dict().items() if hasattr(value, "detach")}


def run_facts(seed: int) -> dict[str, Any]:
    """How a result came about: command, seed, versions, commit and machine; no host name, no address."""
    versions = {"python": platform.python_version(), "spiking-tasnet": spiking_tasnet.__version__}
    versions |= {package: metadata.version(package) for package in PACKAGES}
    recipe = os.environ.get("SPIKING_TASNET_RECIPE")  # set by the stage script: its own command line
    return ({"recipe": recipe} if recipe else {}) | {
        "command": " ".join(["spiking-tasnet", *sys.argv[1:]]),
        "seed": seed,
        "versions": versions,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": _memory_gib()},
    }


def _git(*words: str) -> str | None:
    folder = Path(spiking_tasnet.__file__).parent
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError, AttributeError):
        return None
