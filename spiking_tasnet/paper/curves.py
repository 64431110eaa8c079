"""Fig. 4 (learning curves of the methods by depth) and Fig. 5 (the progress of PTL)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from spiking_tasnet.files import read_json
from spiking_tasnet.paper.published import TABLE1
from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.style import BLUE, COLOURS, Rendered, legend, level, panels
from spiking_tasnet.paper.summary import accuracy, by_label, epochs, mean_and_sd, number_or_dash, row_labels, values_of
from spiking_tasnet.report.curves import mark_conversions, shade_stages, stage_spans
from spiking_tasnet.report.history import read_history
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config

Row = dict[str, float]
DEEP = {"ann": "A  ANN", "tandem": "B  tandem learning", "surrogate": "C  surrogate gradient"}


def history_of(run: FinishedRun) -> list[Row]:
    """The rows of a run's history.csv.

    Raises:
        ValueError: the file is missing or damaged.
    """
    path = run.folder / "history.csv"
    try:
        rows = read_history(path, "the training")
    except (FileNotFoundError, ValueError):
        rows = []
    if not rows or "val_loss" not in rows[0]:
        raise ValueError(f"{path}: not the history of a training; delete {run.folder.parent} and run again")
    return rows


def best_accuracy(history: Sequence[Row]) -> float:
    """Validation accuracy (%) of the epoch that was kept, the one with the lowest validation loss."""
    return 100 * min(history, key=lambda row: row["val_loss"])["val_accuracy"]


def plan_depth(config: Config, choices: Choices) -> list[Run]:
    """ANN, tandem and surrogate learning of each network."""
    (num_steps,) = choices["num_steps"]
    runs = []
    for network in choices["networks"]:
        changed = dataclasses.replace(
            config,
            model=dataclasses.replace(config.model, network=network),
            ptl=dataclasses.replace(config.ptl, num_steps=num_steps),
        )
        runs += [Run(f"{method} {network}", method, changed) for method in DEEP]
    return runs


def show_depth(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Fig. 4, by validation accuracy: a run reads the test set only once, at its end."""
    figure, grid = panels(1, 3, 11.0, 3.6, sharey=True)
    networks = list(dict.fromkeys(run.config.model.network for run in finished))
    histories = {run.folder: history_of(run) for run in finished}
    lines, several = [], False
    for axes, (method, title) in zip(grid.flat, DEEP.items(), strict=True):
        for colour, network in zip(_colours(len(networks)), networks, strict=True):
            group = [run for run in finished if run.label == f"{method} {network}"]
            curves = [[100 * row["val_accuracy"] for row in histories[run.folder]] for run in group]
            several = several or len(curves) > 1
            _curve(axes, curves, colour, network)
            kept = [best_accuracy(histories[run.folder]) for run in group]
            tested = mean_and_sd(values_of(group, accuracy), 2)
            lines.append([network, title[3:], mean_and_sd(kept, 2), tested, mean_and_sd(values_of(group, epochs), 0)])
        axes.set_title(title, fontsize=10, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
    grid[0, 0].set_ylabel("accuracy on validation (%)")
    steps = finished[0].config.ptl.num_steps
    shading = "; shaded: from the worst to the best seed" if several else ""
    figure.suptitle(f"Fig. 4: {runs.corpus.corpus}, $N_s$ = {steps}{shading}", fontsize=10)
    legend(figure, columns=len(networks))
    header = ["network", "method", "validation accuracy (%)", "test accuracy (%)", "epochs"]
    note = "Of the epoch with the lowest validation loss. The paper gives curves, no numbers."
    return Rendered(_rows(finished, histories), figure, table(header, sorted(lines), text_columns=2) + "\n\n" + note)


def plan_progress(config: Config, choices: Choices) -> list[Run]:
    """The ANN and its conversion."""
    return [Run("ANN", "ann", config), Run("PTL", "ptl", config)]


def show_progress(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Fig. 5. The picture is of the first seed: other seeds have other stages."""
    groups, histories = by_label(finished), {run.folder: history_of(run) for run in finished}
    ann, ptl = groups["ANN"][0], groups["PTL"][0]
    history, network = histories[ptl.folder], ptl.config.model.network
    spans = stage_spans(int(row["ptl_stage"]) for row in history)
    figure, grid = panels(2, 1, min(12.0, 6.5 + 0.05 * len(history)), 5.6, sharex=True)
    upper, lower = grid[:, 0]
    for axes, name, factor in ((upper, "val_accuracy", 100), (lower, "val_loss", 1)):
        shade_stages(axes, spans)
        values = [factor * row[name] for row in history]
        over = range(1, len(values) + 1)
        axes.plot(over, values, color=BLUE, marker="o", markersize=3, label="network in conversion")
    title = f"Fig. 5: PTL of {network} on {runs.corpus.corpus}, seed {ptl.config.seed}"
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
    for (label, group), method in zip(groups.items(), ("ann", "ptl"), strict=True):
        kept = [best_accuracy(histories[run.folder]) for run in group]
        entry = paper.get(method)
        cells = [
            mean_and_sd(kept, 2),
            mean_and_sd(values_of(group, accuracy), 2),
            mean_and_sd(values_of(group, epochs), 1),
        ]
        lines.append([label, *cells, number_or_dash(entry and entry.accuracy, 2)])
    lines[1][1] = mean_and_sd([_last_stage(histories[run.folder]) for run in groups["PTL"]], 2)
    header = ["network", "validation accuracy (%)", "test accuracy (%)", "epochs", "paper, test (%)"]
    return Rendered(_rows(finished, histories), figure, table(header, lines))


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


def _rows(finished: Sequence[FinishedRun], histories: dict[Any, list[Row]]) -> list[dict[str, Any]]:
    """One row per epoch of every run."""
    names = ("epoch", "ptl_stage", "train_loss", "val_loss", "val_accuracy", "lr", "seconds")
    return [row_labels(run) | {name: row[name] for name in names} for run in finished for row in histories[run.folder]]
