"""Runs grouped over seeds: means, spreads, and a row of the CSV each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from spiking_tasnet.files import whole_file
from spiking_tasnet.paper.runs import FinishedRun

COSTS = ("ann_macs", "snn_macs", "driven_macs", "synops", "synops_ratio", "energy_ratio", "neuron_updates")
NO_NUMBER = "–"
Groups = dict[str, list[FinishedRun]]


def by_label(finished: Sequence[FinishedRun]) -> Groups:
    """Runs of all seeds under each label, in the order in which labels come."""
    groups: Groups = {}
    for run in finished:
        groups.setdefault(run.label, []).append(run)
    return groups


def accuracy(run: FinishedRun) -> float:
    """Top-1 accuracy on the test set, in %."""
    return 100 * run.test["top1"]


def mse(run: FinishedRun) -> float:
    """Mean squared error on the test set, pixels from 0 to 1."""
    return run.test["mse"]


def epochs(run: FinishedRun) -> float:
    """Epochs of the training, without the ANN's that it started from."""
    return run.test["epochs"]


def spread(values: Sequence[float]) -> float:
    """Standard deviation over seeds (of a sample); 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


def mean_and_sd(values: Sequence[float], decimals: int) -> str:
    """Mean, and the standard deviation where there are several seeds.

    Example:
        >>> mean_and_sd([99.1, 99.3], 2), mean_and_sd([99.1], 2)
        ('99.20 ± 0.14', '99.10')
    """
    mean = f"{fmean(values):.{decimals}f}"
    return f"{mean} ± {spread(values):.{decimals}f}" if len(values) > 1 else mean


def number_or_dash(value: float | None, decimals: int, sign: str = "") -> str:
    """A number of the paper, or a dash."""
    return NO_NUMBER if value is None else f"{value:{sign}.{decimals}f}"


def mean_of(finished: Sequence[FinishedRun], measure: Callable[[FinishedRun], float]) -> float:
    """Mean over seeds."""
    return fmean(measure(run) for run in finished)


def row_labels(run: FinishedRun) -> dict[str, Any]:
    """Which run a row of the CSV is about; the folder's name leads to its whole configuration."""
    config = run.config
    steps = {"ann": 0, "rate": config.rivals.rate_steps}.get(run.method, config.ptl.num_steps)
    return {
        "label": run.label,
        "network": config.model.network,
        "method": run.method,
        "seed": config.seed,
        "num_steps": steps,
        "weight_bits": config.ptl.weight_bits if run.method in ("ptl", "primitive") else 0,
        "patience": config.ptl.patience if run.method == "ptl" else "",
        "run": run.folder.parent.name,
    }


def row(run: FinishedRun) -> dict[str, Any]:
    """A row of the CSV for a tested run: accuracies in %, costs an image."""
    test = run.test
    scores = {f"{name}_percent": 100 * test[name] for name in ("top1", "top5") if name in test}
    scores |= {"mse": test["mse"]} if "mse" in test else {}
    facts = {name: test[name] for name in ("images", "epochs", "hours")}
    return row_labels(done) | scores | facts | {name: test["cost"]["total"][name] for name in COSTS}


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the same columns, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
