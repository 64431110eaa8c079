"""What a training leaves behind: its history, and a record of how it was run."""

from __future__ import annotations

import csv
import io
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

import spiking_tasnet
from spiking_tasnet.files import write_text

logger = logging.getLogger(__name__)
DIGITS = 6  # after the point
PACKAGES = ("torch", "torchvision", "torchaudio", "pytorch-lightning", "asteroid", "numpy")


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


def run_facts(seed: int) -> dict[str, Any]:
    """How a result came about: command, seed, versions, commit and machine; no host name, no address."""
    versions = {"python": platform.python_version(), "spiking-tasnet": spiking_tasnet.__version__}
    versions |= {package: found for package in PACKAGES if (found := _version(package))}
    recipe = os.environ.get("SPIKING_TASNET_RECIPE")  # set by the stage script: its own command line
    return ({"recipe": recipe} if recipe else {}) | {
        "command": " ".join(["spiking-tasnet", *sys.argv[1:]]),
        "seed": seed,
        "versions": versions,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": _memory_gib()},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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
