"""What an experiment folder holds when stages 1 to 4 are done, read back, checked and averaged for the report."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from spiking_tasnet.files import read_json
from spiking_tasnet.separation.scores.cost import SetCost
from spiking_tasnet.separation.scores.csv_file import existing, read_rows
from spiking_tasnet.separation.scores.means import Summary, summarise
from spiking_tasnet.separation.scores.rows import ScoreRow, read_scores

CONDITIONS = {"open": "tt", "closed": "cv"}  # closed: talkers heard in training; open: never heard
SYSTEMS = ("mixture", "ann", "snn")


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
        folder: exp/NAME.
        rows: condition -> system -> score rows in the order of the data folder.
        history: the whole run's epochs: the ANN's, then the conversion's.
        stages: the entries of snn/stages.json.
        cost: of snn/cost.json.
        runs: `ann`, `snn` -> run.json.
        results: condition -> system -> means by gender group.
    """

    folder: Path
    rows: dict[str, dict[str, list[ScoreRow]]]
    history: list[Epoch]
    stages: list[dict[str, Any]]
    cost: SetCost
    runs: dict[str, dict[str, Any]]
    results: dict[str, dict[str, Summary]] = field(init=False)

    @property
    def closed_talkers(self) -> str:
        """Who speaks in the closed condition; some corpora have other talkers in their development set."""
        heard = self.runs.get("ann", {}).get("dev_talkers_heard", True)
        return "heard in training" if heard else "not heard in training either"

    def __post_init__(self) -> None:
        """Average the rows."""
        self.results = {
            condition: {system: summarise(rows) for system, rows in systems.items()}
            for condition, systems in self.rows.items()
        }

    def plain_results(self) -> dict[str, Any]:
        """`results` as JSON holds them."""
        return {
            condition: {
                system: {group: asdict(means) for group, means in summary.items()}
                for system, summary in systems.items()
            }
            for condition, systems in self.results.items()
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
        cost=SetCost.from_plain(_read(folder / "snn" / "cost.json", "stage 3 (separate)", dict)),
        runs={
            "ann": _read(folder / "ann" / "run.json", "stage 1 (train)", dict),
            "snn": _read(folder / "snn" / "run.json", "stage 2 (convert)", dict),
        },
        rows={condition: _read_condition(folder, subset) for condition, subset in CONDITIONS.items()},
    )


def load_scores(folder: str | os.PathLike) -> Experiment:
    """Read what the listening page needs: scores of the open condition, and of the closed one where they are.

    The networks may be of any origin, as those of a packed file; trainings and costs are left empty.

    Raises:
        FileNotFoundError, ValueError: as `load_experiment`.
    """
    folder = Path(folder)
    there = {name: subset for name, subset in CONDITIONS.items() if (folder / "scores" / f"snn_{subset}.csv").is_file()}
    rows = {name: _read_condition(folder, subset) for name, subset in ({"open": CONDITIONS["open"]} | there).items()}
    run = folder / "ann" / "run.json"
    runs = {"ann": _read(run, "stage 1 (train)", dict)} if run.is_file() else {}
    return Experiment(folder=folder, rows=rows, history=[], stages=[], cost=SetCost(), runs=runs)


def read_history(path: str | os.PathLike, stage: str) -> list[Epoch]:
    """Read a history.csv, which `stage` makes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a CSV; the message says what to do.
    """
    return read_rows(path, tuple(item.name for item in fields(Epoch)), _epoch, stage)


def _read_condition(folder: Path, subset: str) -> dict[str, list[ScoreRow]]:
    """Read one condition's three CSVs, which must cover the same mixtures."""
    rows = {system: read_scores(folder / "scores" / f"{system}_{subset}.csv") for system in SYSTEMS}
    expected = [row.utt for row in rows["mixture"]]
    for system in SYSTEMS[1:]:
        if [row.utt for row in rows[system]] != expected:
            raise ValueError(
                f"{folder / 'scores' / f'{system}_{subset}.csv'}: {len(rows[system])} mixtures found that are not the "
                f"{len(expected)} of mixture_{subset}.csv; run stage 4 (score) again"
            )
    return rows


def _epoch(row: dict[str, str]) -> Epoch:
    return Epoch(int(row["epoch"]), int(row["ptl_stage"]), float(row["train_loss"]), float(row["val_loss"]))


def _read(path: Path, stage: str, kind: type) -> Any:
    """Read a JSON file that must hold a `kind`."""
    data = read_json(existing(path, stage))
    if not isinstance(data, kind) or not data:
        raise ValueError(f"{path}: a non-empty JSON {kind.__name__} expected; delete it and run {stage} again")
    return data
