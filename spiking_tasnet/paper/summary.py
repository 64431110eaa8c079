"""Runs grouped over seeds: means, standard deviations, and one row of the CSV per run."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from spiking_tasnet.files import whole_file
from spiking_tasnet.paper.runs import FinishedRun
from spiking_tasnet.vision.methods import METHODS

COSTS = ("ann_macs", "snn_macs", "driven_macs", "synops", "synops_ratio", "energy_ratio", "neuron_updates")
NO_NUMBER = "–"
Groups = dict[str, list[FinishedRun]]  # label -> its run for each seed
Measure = Callable[[FinishedRun], float]


def by_label(finished: Iterable[FinishedRun]) -> Groups:
    """The runs of all seeds under each label, labels in the order of their first run."""
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
    """Epochs of the training itself, without those of the ANN that it started from."""
    return run.test["epochs"]


def standard_deviation(values: Sequence[float]) -> float:
    """Standard deviation over seeds, of a sample (n - 1); 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


def mean_and_sd(values: Sequence[float], decimals: int) -> str:
    """Format the mean, and the standard deviation where there are several seeds.

    Examples:
        >>> mean_and_sd([99.1, 99.3], 2), mean_and_sd([99.1], 2)
        ('99.20 ± 0.14', '99.10')
    """
    mean = f"{fmean(values):.{decimals}f}"
    return f"{mean} ± {standard_deviation(values):.{decimals}f}" if len(values) > 1 else mean


def number_or_dash(value: float | None, decimals: int, sign: str = "") -> str:
    """Format a number of the paper; a dash where it has none."""
    return NO_NUMBER if value is None else f"{value:{sign}.{decimals}f}"


def values_of(group: Iterable[FinishedRun], measure: Measure) -> list[float]:
    """One value per run."""
    return [measure(run) for run in group]


def values_by_label(groups: Groups, measure: Measure) -> dict[str, list[float]]:
    """One value per run, under the runs' labels."""
    return {label: values_of(group, measure) for label, group in groups.items()}


def mean_of(group: Iterable[FinishedRun], measure: Measure) -> float:
    """Mean over seeds."""
    return fmean(values_of(group, measure))


def row_labels(run: FinishedRun) -> dict[str, Any]:
    """The cells of a CSV row that say which run it is; the folder's name leads to the whole configuration."""
    config, method = run.config, METHODS[run.method]
    steps = {"ann": 0, "rate": config.baselines.rate_steps}.get(run.method, config.ptl.num_steps)
    return {
        "label": run.label,
        "network": config.model.network,
        "method": run.method,
        "seed": config.seed,
        "num_steps": steps,
        "weight_bits": config.ptl.weight_bits if method.constrained else 0,
        "patience": config.ptl.patience if run.method == "ptl" else "",
        "run": run.folder.parent.name,
    }


def row(run: FinishedRun) -> dict[str, Any]:
    """The CSV row of a tested run: accuracies in %, costs per image."""
    test = run.test
    scores = {f"{name}_percent": 100 * test[name] for name in ("top1", "top5") if name in test}
    scores |= {"mse": test["mse"]} if "mse" in test else {}
    facts = {name: test[name] for name in ("images", "epochs", "hours")}
    return row_labels(run) | scores | facts | {name: test["cost"]["total"][name] for name in COSTS}


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows that have the same columns, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
