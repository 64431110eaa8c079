"""What an experiment folder holds when stages 1 to 4 are done, read back, checked and averaged for the report."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from spiking_tasnet.files import read_json
from spiking_tasnet.separation.scores.cells import read_cell

CONDITIONS = {"open": "tt", "closed": "cv"}  # closed: talkers heard in training; open: never heard
SYSTEMS = ("mixture", "ann", "snn")
GROUPS = ("diff", "same", "overall")
SCORES = ("si_sdr", "si_sdr_i", "sdr", "sdr_i", "pesq", "stoi")

Row = dict[str, Any]
Summary = dict[str, dict[str, float | int | None]]  # group -> metric -> mean


@dataclass(frozen=True)
class Epoch:
    """One line of a history.csv: losses are negative SI-SDR in dB; `ptl_stage` is 0 in the ANN's training."""

    epoch: int
    ptl_stage: int
    train_loss: float
    val_loss: float


@dataclass
class Experiment:
    """All that the report shows.

    Attributes:
        folder: exp/<name>.
        rows: condition -> system -> score rows in the order of the data folder.
        history: the whole run's epochs: the ANN's, then the conversion's.
        stages: the entries of snn/stages.json.
        cost: snn/cost.json.
        runs: `ann`, `snn` -> run.json.
    """

    folder: Path
    rows: dict[str, dict[str, list[Row]]]
    history: list[Epoch]
    stages: list[dict[str, Any]]
    cost: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Summary]] = field(init=False)

    @property
    def closed_talkers(self) -> str:
        """Who speaks in the closed condition; some corpora have other talkers in their development set."""
        heard = self.runs["ann"].get("dev_talkers_heard", True)
        return "heard in training" if heard else "not heard in training either"

    def __post_init__(self) -> None:
        """Average the rows."""
        self.results = {
            condition: {system: summarise(rows) for system, rows in systems.items()}
            for condition, systems in self.rows.items()
        }


def load_experiment(folder: str | os.PathLike) -> Experiment:
    """Read an experiment folder.

    Raises:
        FileNotFoundError: something is missing; the message says which stage makes it.
        ValueError: a file is not what its name promises.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such experiment folder; stage 1 (train) makes it")
    return Experiment(
        folder=folder,
        history=read_history(folder / "ann" / "history.csv", "stage 1 (train)")
        + read_history(folder / "snn" / "history.csv", "stage 2 (convert)"),
        stages=_read(folder / "snn" / "stages.json", "stage 2 (convert)", list),
        cost=_read(folder / "snn" / "cost.json", "stage 3 (separate)", dict),
        runs={
            "ann": _read(folder / "ann" / "run.json", "stage 1 (train)", dict),
            "snn": _read(folder / "snn" / "run.json", "stage 2 (convert)", dict),
        },
        rows={condition: _read_condition(folder, subset) for condition, subset in CONDITIONS.items()},
    )


def read_scores(path: str | os.PathLike) -> list[Row]:
    """Read a CSV of stage 4: numbers as float, empty cells as None, `perm` and `genders` as tuples.

    Rows of mixtures that could not be scored have no `perm` and None for every score.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a CSV; the message says what to do.
    """
    path = _made(Path(path), "stage 4 (score)")
    rows = _read_csv(path, ("utt", "group", "genders", "perm", "si_sdr", "si_sdr_i"), "stage 4 (score)")
    return [_parsed(path, line, row, _score_row, "stage 4 (score)") for line, row in enumerate(rows, start=2)]


def summarise(rows: list[Row]) -> Summary:
    """Average score rows by gender group; a group without mixtures is left out.

    Mixtures of unknown genders count in `overall` only. A metric's mean takes the mixtures where it is a finite
    number. `unscored` counts mixtures without any score; of the others `pesq_failed`, `stoi_failed` and `sdr_failed`
    count empty cells, `silent` those with a silent estimate (-inf dB).
    """
    by_group = {group: [row for row in rows if group in ("overall", row["group"])] for group in GROUPS}
    return {group: _summarise_group(members) for group, members in by_group.items() if members}


def read_history(path: str | os.PathLike, stage: str) -> list[Epoch]:
    """Read a history.csv, which `stage` makes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a CSV; the message says what to do.
    """
    path = _made(Path(path), stage)
    rows = _read_csv(path, tuple(item.name for item in fields(Epoch)), stage)
    return [_parsed(path, line, row, _epoch, stage) for line, row in enumerate(rows, start=2)]


def _summarise_group(rows: list[Row]) -> dict[str, float | int | None]:
    summary: dict[str, float | int | None] = {"n": len(rows)}
    for name in SCORES:
        values = [row[name] for row in rows if row.get(name) is not None and math.isfinite(row[name])]
        summary[name] = fmean(values) if values else None
    scored = [row for row in rows if row["si_sdr"] is not None]
    for name in ("pesq", "stoi", "sdr"):
        summary[f"{name}_failed"] = sum(name in row and row[name] is None for row in scored)
    silent = sum(row["si_sdr"] == -math.inf for row in scored)
    return {**summary, "silent": silent, "unscored": len(rows) - len(scored)}


def _read_condition(folder: Path, subset: str) -> dict[str, list[Row]]:
    """Read one condition's three CSVs, which must cover the same mixtures."""
    rows = {system: read_scores(folder / "scores" / f"{system}_{subset}.csv") for system in SYSTEMS}
    expected = [row["utt"] for row in rows["mixture"]]
    for system in SYSTEMS[1:]:
        if [row["utt"] for row in rows[system]] != expected:
            raise ValueError(
                f"{folder / 'scores' / f'{system}_{subset}.csv'}: {len(rows[system])} mixtures found that are not the "
                f"{len(expected)} of mixture_{subset}.csv; run stage 4 (score) again"
            )
    return rows


def _read_csv(path: Path, needed: tuple[str, ...], stage: str) -> list[Row]:
    """Read a CSV with a header as dicts of strings; whatever is wrong with it is one ValueError."""
    with open(path, newline="", encoding="utf-8", errors="replace") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
        names = reader.fieldnames or []
    absent = [name for name in needed if name not in names]
    if absent or not rows:
        found = f"no column {absent[0]!r}" if absent else "no line below the header"
        raise ValueError(f"{path}: {found}; delete it and run {stage} again")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"{path}: line {number} does not have {len(names)} cells; delete it and run {stage} again")
    return rows


def _parsed(path: Path, line: int, row: Row, parse: Callable[[Row], Any], stage: str) -> Any:
    """Parse one CSV row; a cell that is no number is named with its line."""
    try:
        return parse(row)
    except ValueError as error:
        raise ValueError(f"{path}: line {line}: {error}; delete it and run {stage} again") from None


def _score_row(row: Row) -> Row:
    numbers = {name: float(row[name]) if row[name] else None for name in SCORES if name in row}
    return {
        "utt": read_cell(row["utt"]),
        "group": row["group"],
        "genders": tuple(row["genders"].split()),
        "perm": tuple(int(index) for index in row["perm"].split()),
        **numbers,
    }


def _epoch(row: Row) -> Epoch:
    return Epoch(int(row["epoch"]), int(row["ptl_stage"]), float(row["train_loss"]), float(row["val_loss"]))


def _made(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {stage} makes it")
    return path


def _read(path: Path, stage: str, kind: type) -> Any:
    """Read a JSON file that must hold a `kind`."""
    data = read_json(_made(path, stage))
    if not isinstance(data, kind) or not data:
        raise ValueError(f"{path}: a non-empty JSON {kind.__name__} expected; delete it and run {stage} again")
    return data
