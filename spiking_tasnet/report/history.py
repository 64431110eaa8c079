"""history.csv: one row per epoch of a training."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spiking_tasnet.files import write_text


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows, which all have the keys of the first, in its order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_history(path: Path, stage: str) -> list[dict[str, float]]:
    """Read the rows as numbers.

    Args:
        path: of the CSV.
        stage: that makes it, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no rows, or a cell that is not a number.
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
