"""The history of a training, read back: one row of numbers per epoch."""

from __future__ import annotations

import csv
from pathlib import Path


def read_history(path: Path, stage: str) -> list[dict[str, float]]:
    """Read a history.csv, which `stage` writes.

    Returns:
        Column -> number, one dictionary per epoch; at least one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no epoch, or a cell that is not a number.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {stage} makes it")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        except (TypeError, ValueError):
            raise ValueError(f"{path}: a cell that is no number found; run {stage} again") from None
    if not rows:
        raise ValueError(f"{path}: no epoch found; run {stage} again")
    return rows
