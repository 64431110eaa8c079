"""Fig. 4 (learning curves of the rivals by depth) and Fig. 5 (the progress of PTL)."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from spiking_tasnet.files import read_json
from spiking_tasnet.paper.published import TABLE1
from spiking_tasnet.paper.runs import Done, Run, Runs
from spiking_tasnet.paper.style import BLUE, COLOURS, Shown, legend, level, panels
from spiking_tasnet.paper.summary import accuracy, by_label, epochs, told, told_or_not, who
from spiking_tasnet.report.curves import mark_conversions, shade_stages, stage_spans
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config

Row = dict[str, float]
DEEP = {"ann": "A  ANN", "tandem": "B  tandem learning", "surrogate": "C  surrogate gradient"}


def read_history(done: Done) -> list[Row]:
    """Rows of history.csv as numbers.

    Raises:
        ValueError: it is not what a training writes.
    """
    path = done.folder / "history.csv"
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    except (TypeError, ValueError):
        rows = []
    if not rows or "val_loss" not in rows[0]:
        raise ValueError(f"{path}: not the history of a training; delete {done.folder.parent} and run again")
    return rows


def best_accuracy(history: Sequence[Row]) -> float:
    """Validation accuracy (%) of the epoch that was kept, the one with the lowest validation loss."""
    return 100 * min(history, key=lambda row: row["val_loss"])["val_accuracy"]


def plan_depth(config: Config, chosen: dict[str, tuple]) -> list[Run]:
    """ANN, tandem and surrogate learning of each network."""
    (num_steps,) = chosen["num_steps"]
    runs = []
    for network in chosen["networks"]:
        changed = dataclasses.replace(
            config,
            model=dataclasses.replace(config.model, network=network),
            ptl=dataclasses.replace(config.ptl, num_steps=num_steps),
        )
        runs += [Run(f"{method} {network}", method, changed) for method in DEEP]
    return runs


def show_depth(runs: Runs, done: Sequence[Done]) -> Shown:
    """Fig. 4, by validation accuracy: the test set is read once a run, at its end."""
    figure, grid = panels(1, 3, 11.0, 3.6, sharey=True)
    networks = list(dict.fromkeys(one.run.config.model.network for one in done))
    histories = {one.folder: read_history(one) for one in done}
    lines, several = [], False
    for axes, (method, title) in zip(grid.flat, DEEP.items(), strict=True):
        for colour, network in zip(_colours(len(networks)), networks, strict=True):
            some = [one for one in done if one.run.label == f"{method} {network}"]
            curves = [[100 * row["val_accuracy"] for row in histories[one.folder]] for one in some]
            several = several or len(curves) > 1
            _curve(axes, curves, colour, network)
            kept = [best_accuracy(histories[one.folder]) for one in some]
            tested = told([accuracy(one) for one in some], 2)
            lines.append([network, title[3:], told(kept, 2), tested, told([epochs(one) for one in some], 0)])
        axes.set_title(title, fontsize=10, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
    grid[0, 0].set_ylabel("accuracy on validation (%)")
    steps = done[0].run.config.ptl.num_steps
    spread_told = "; shaded: from the worst to the best seed" if several else ""
    figure.suptitle(f"Fig. 4: {runs.corpus.corpus}, $N_s$ = {steps}{spread_told}", fontsize=10)
    legend(figure, columns=len(networks))
    header = ["network", "method", "validation accuracy (%)", "test accuracy (%)", "epochs"]
    note = "Of the epoch with the lowest validation loss. The paper gives curves, no numbers."
    return Shown(_rows(done, histories), figure, table(header, sorted(lines), text_columns=2) + "\n\n" + note)


def plan_progress(config: Config, chosen: dict[str, tuple]) -> list[Run]:
    """The ANN and its conversion."""
    return [Run("ANN", "ann", config), Run("PTL", "ptl", config)]


def show_progress(runs: Runs, done: Sequence[Done]) -> Shown:
    """Fig. 5; the picture is of the first seed, whose stages the other seeds do not share."""
    groups, histories = by_label(done), {one.folder: read_history(one) for one in done}
    ann, ptl = groups["ANN"][0], groups["PTL"][0]
    history, network = histories[ptl.folder], ptl.run.config.model.network
    spans = stage_spans(int(row["ptl_stage"]) for row in history)
    figure, grid = panels(2, 1, min(12.0, 6.5 + 0.05 * len(history)), 5.6, sharex=True)
    upper, lower = grid[:, 0]
    for axes, name, factor in ((upper, "val_accuracy", 100), (lower, "val_loss", 1)):
        shade_stages(axes, spans)
        values = [factor * row[name] for row in history]
        over = range(1, len(values) + 1)
        axes.plot(over, values, color=BLUE, marker="o", markersize=3, label="network in conversion")
    title = f"Fig. 5: PTL of {network} on {runs.corpus.corpus}, seed {ptl.run.config.seed}"
    upper.set_title(title, fontsize=10, pad=18)
    level(upper, best_accuracy(histories[ann.folder]), "ANN")
    level(lower, min(row["val_loss"] for row in histories[ann.folder]), "ANN")
    converted = {stage["ptl_stage"]: stage["val_loss_converted"] for stage in read_json(ptl.folder / "stages.json")}
    marks = [(first, converted[stage]) for stage, first, _ in spans if converted.get(stage) is not None]
    mark_conversions(lower, marks, "right after the conversion of a layer")
    upper.set_ylabel("accuracy on validation (%)")
    lower.set_ylabel("loss on validation (nats)")
    lower.set_xlabel("epoch of the conversion; PTL's stages numbered and shaded")
    lower.set_xlim(0.3, len(history) + 0.5)  # room for the first mark
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure)
    paper = TABLE1.get((runs.corpus.corpus, network), {})
    lines = []
    for (label, some), method in zip(groups.items(), ("ann", "ptl"), strict=True):
        kept = [best_accuracy(histories[one.folder]) for one in some]
        entry = paper.get(method)
        cells = [told(kept, 2), told([accuracy(one) for one in some], 2), told([epochs(one) for one in some], 1)]
        lines.append([label, *cells, told_or_not(entry and entry.accuracy, 2)])
    lines[1][1] = told([_last_stage(histories[one.folder]) for one in groups["PTL"]], 2)
    header = ["network", "validation accuracy (%)", "test accuracy (%)", "epochs", "paper, test (%)"]
    return Shown(_rows(done, histories), figure, table(header, lines))


def _last_stage(history: Sequence[Row]) -> float:
    """Best validation accuracy (%) of the last stage's epochs, by loss."""
    last = history[-1]["ptl_stage"]
    return best_accuracy([row for row in history if row["ptl_stage"] == last])


def _curve(axes: Axes, curves: Sequence[Sequence[float]], colour: str, label: str) -> None:
    shortest = min(len(curve) for curve in curves)
    seeds = list(zip(*(curve[:shortest] for curve in curves), strict=True))
    over = range(1, shortest + 1)
    marker = "o" if shortest < 20 else None
    axes.plot(over, [fmean(values) for values in seeds], color=colour, marker=marker, markersize=3, label=label)
    if len(curves) > 1:
        low, high = [min(values) for values in seeds], [max(values) for values in seeds]
        axes.fill_between(over, low, high, color=colour, alpha=0.18, linewidth=0)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _rows(done: Sequence[Done], histories: dict[Any, list[Row]]) -> list[dict[str, Any]]:
    """One row an epoch of every run."""
    names = ("epoch", "ptl_stage", "train_loss", "val_loss", "val_accuracy", "lr", "seconds")
    return [who(one) | {name: row[name] for name in names} for one in done for row in histories[one.folder]]
