"""Runs grouped over seeds: means, spreads, and a row of the CSV each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from spiking_tasnet.files import whole_file
from spiking_tasnet.paper.runs import Done

COSTS = ("ann_macs", "snn_macs", "driven_macs", "synops", "synops_ratio", "energy_ratio", "neuron_updates")
NO_NUMBER = "–"
Groups = dict[str, list[Done]]


def by_label(done: Sequence[Done]) -> Groups:
    """Runs of all seeds under each label, in the order in which labels come."""
    groups: Groups = {}
    for one in done:
        groups.setdefault(one.run.label, []).append(one)
    return groups


def accuracy(done: Done) -> float:
    """Top-1 accuracy on the test set, in %."""
    return 100 * done.test["top1"]


def mse(done: Done) -> float:
    """Mean squared error on the test set, pixels from 0 to 1."""
    return done.test["mse"]


def epochs(done: Done) -> float:
    """Epochs of the training, without the ANN's that it started from."""
    return done.test["epochs"]


def spread(values: Sequence[float]) -> float:
    """Standard deviation over seeds (of a sample); 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


def told(values: Sequence[float], decimals: int) -> str:
    """Mean, and the standard deviation where there are several seeds.

    Example:
        >>> told([99.1, 99.3], 2), told([99.1], 2)
        ('99.20 ± 0.14', '99.10')
    """
    mean = f"{fmean(values):.{decimals}f}"
    return f"{mean} ± {spread(values):.{decimals}f}" if len(values) > 1 else mean


def told_or_not(value: float | None, decimals: int, sign: str = "") -> str:
    """A number of the paper, or a dash."""
    return NO_NUMBER if value is None else f"{value:{sign}.{decimals}f}"


def mean_of(done: Sequence[Done], measure: Callable[[Done], float]) -> float:
    """Mean over seeds."""
    return fmean(measure(one) for one in done)


def who(done: Done) -> dict[str, Any]:
    """Which run a row of the CSV is about; the folder's name leads to its whole configuration."""
    config = done.run.config
    steps = {"ann": 0, "rate": config.rivals.rate_steps}.get(done.run.method, config.ptl.num_steps)
    return {
        "label": done.run.label,
        "network": config.model.network,
        "method": done.run.method,
        "seed": config.seed,
        "num_steps": steps,
        "weight_bits": config.ptl.weight_bits if done.run.method in ("ptl", "primitive") else 0,
        "patience": config.ptl.patience if done.run.method == "ptl" else "",
        "run": done.folder.parent.name,
    }


def row(done: Done) -> dict[str, Any]:
    """A row of the CSV for a tested run: accuracies in %, costs an image."""
    test = done.test
    scores = {f"{name}_percent": 100 * test[name] for name in ("top1", "top5") if name in test}
    scores |= {"mse": test["mse"]} if "mse" in test else {}
    facts = {name: test[name] for name in ("images", "epochs", "hours")}
    return who(done) | scores | facts | {name: test["cost"]["total"][name] for name in COSTS}


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the same columns, whole or not at all."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
