"""Scores of one mixture as a row, and the CSV of stage 4 that holds the rows of a data folder."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spiking_tasnet.files import whole_file
from spiking_tasnet.separation.scores.csv_file import read_cell, read_rows, write_cell
from spiking_tasnet.separation.scores.metrics import METRICS, columns

DESCRIPTION_COLUMNS = ("utt", "group", "genders", "perm")
SCORES = tuple(columns(METRICS))
STAGE = "stage 4 (score)"


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one mixture.

    Attributes:
        utt: its id.
        group: ``diff``, ``same`` or ``unknown``: whether its talkers are of one gender.
        genders: of its talkers, ``M``, ``F`` or ``?``.
        perm: index of the estimate of each reference; empty where the mixture could not be scored.
        scores: by the names of `columns`. None is a score that could not be measured; a metric that nobody asked for
            is absent.
        problem: why the mixture could not be scored.
        changes: what was done to the estimates to fit them to the mixture.
        lost: its process died or ran out of memory.
    """

    utt: str
    group: str
    genders: tuple[str, ...]
    perm: tuple[int, ...]
    scores: dict[str, float | None]
    problem: str = ""
    changes: tuple[str, ...] = ()
    lost: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether there is any score."""
        return self.scores["si_sdr"] is not None

    @property
    def is_silent(self) -> bool:
        """Whether an estimate is silent, which is -inf dB."""
        return self.scores["si_sdr"] == -math.inf

    def failed(self, metric: str) -> bool:
        """Whether a metric was asked for and could not be measured."""
        return metric in self.scores and self.scores[metric] is None


def write_scores(path: str | os.PathLike, rows: Sequence[ScoreRow]) -> None:
    """Write rows as CSV, whole or not at all; None becomes an empty cell, dB and scores have 4 decimals."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = [name for name in SCORES if name in rows[0].scores]
        writer.writerow([*DESCRIPTION_COLUMNS, *names])
        for row in rows:
            texts = (row.utt, row.group, " ".join(row.genders), " ".join(map(str, row.perm)))
            numbers = (row.scores[name] for name in names)
            writer.writerow(
                [*map(write_cell, texts), *("" if number is None else f"{number:.4f}" for number in numbers)]
            )


def read_scores(path: str | os.PathLike) -> list[ScoreRow]:
    """Read what `write_scores` wrote; `problem`, `changes` and `lost` are not in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a CSV; the message says what to do.
    """
    return read_rows(path, (*DESCRIPTION_COLUMNS, "si_sdr", "si_sdr_i"), _parse, STAGE)


def count_failures(rows: Iterable[ScoreRow]) -> dict[str, int]:
    """Count scored mixtures of which a score is missing (`pesq`, `stoi`, `sdr`) or -inf dB (`silent`: an estimate)."""
    scored = [row for row in rows if row.is_scored]
    failures = {name: sum(row.failed(name) for row in scored) for name in ("pesq", "stoi", "sdr")}
    return {**failures, "silent": sum(row.is_silent for row in scored)}


def _parse(cells: dict[str, str]) -> ScoreRow:
    return ScoreRow(
        utt=read_cell(cells["utt"]),
        group=cells["group"],
        genders=tuple(cells["genders"].split()),
        perm=tuple(int(index) for index in cells["perm"].split()),
        scores={name: float(cells[name]) if cells[name] else None for name in SCORES if name in cells},
    )
