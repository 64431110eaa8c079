"""Fig. 6: the encoding time window against accuracy and operations, the patience against accuracy and epochs."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from statistics import fmean

from matplotlib.ticker import MaxNLocator

from spiking_tasnet.paper.published import FIG6, FIG6_EPOCHS, FIG6_RATIO, TABLE1
from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.style import (
    GREEN,
    PAPER_LINE,
    Rendered,
    from_zero,
    legend,
    level,
    panels,
    paper_points,
    points,
)
from spiking_tasnet.paper.summary import (
    Groups,
    accuracy,
    by_label,
    epochs,
    mean_and_sd,
    mean_of,
    number_or_dash,
    row,
    values_by_label,
    values_of,
)
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config

logger = logging.getLogger(__name__)
STEPS, PATIENCE = "N_s = ", "T_p = "


def ratio(run: FinishedRun) -> float:
    """SynOps over the MACs of the ANN, of the layers that spikes drive."""
    return run.test["cost"]["total"]["synops_ratio"]


def plan_sweeps(config: Config, choices: Choices) -> list[Run]:
    """PTL over N_s at the configuration's patience, and over the patience at its N_s."""
    limit = config.ptl.max_epochs_per_stage
    if limit:
        logger.warning(
            "ptl.max_epochs_per_stage = %d ends stages that the patience would let go on; --set "
            "ptl.max_epochs_per_stage=0 leaves it to the patience, and takes longer",
            limit,
        )
    runs = [Run("ANN", "ann", config)]
    for name, label, values in (
        ("num_steps", STEPS, choices["num_steps"]),
        ("patience", PATIENCE, choices["patiences"]),
    ):
        for value in values:
            ptl = dataclasses.replace(config.ptl, **{name: value})
            runs.append(Run(f"{label}{value}", "ptl", dataclasses.replace(config, ptl=ptl)))
    return runs


def show_sweeps(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Fig. 6."""
    groups = by_label(finished)
    ann = groups.pop("ANN")
    config = ann[0].config
    network, corpus = config.model.network, runs.corpus.corpus
    by_paper = (corpus, network) == FIG6
    windows, patiences = _part(groups, STEPS), _part(groups, PATIENCE)
    figure, grid = panels(2, 2, 9.6, 7.2)
    fixed = {
        "num_steps": f"patience $T_p$ = {config.ptl.patience}",
        "patience": f"window $N_s$ = {config.ptl.num_steps}",
    }
    parts = (
        (grid[0, 0], "A", windows, accuracy, "accuracy on the test set (%)", "num_steps"),
        (grid[0, 1], "B", windows, ratio, "SynOps of the SNN / MACs of ANN", "num_steps"),
        (grid[1, 0], "C", patiences, accuracy, "accuracy on the test set (%)", "patience"),
        (grid[1, 1], "D", patiences, epochs, "finishing epoch of the conversion", "patience"),
    )
    for axes, letter, swept_groups, measure, ylabel, swept in parts:
        points(axes, values_by_label(swept_groups, measure), label="SNN")
        axes.set_title(f"{letter}   {fixed[swept]}", fontsize=9.5, loc="left")
        axes.set_ylabel(ylabel)
        axes.set_xlabel("encoding time window $N_s$ (steps)" if swept == "num_steps" else "patience $T_p$ (epochs)")
        if measure is accuracy:
            level(axes, mean_of(ann, accuracy), "ANN", GREEN)
    if by_paper:
        for axes in (grid[0, 0], grid[1, 0]):
            axes.axhline(TABLE1[FIG6]["ann"].accuracy, label="paper, ANN", **PAPER_LINE)
        paper_points(grid[0, 1], list(windows), {str(FIG6_RATIO[0]): FIG6_RATIO[1]}, "paper, SNN")
        paper_points(grid[1, 1], list(patiences), {str(FIG6_EPOCHS[0]): FIG6_EPOCHS[1]}, "paper, SNN")
    for axes in grid[:, 1]:
        from_zero(axes)
    grid[1, 1].yaxis.set_major_locator(MaxNLocator(integer=True))
    count = len(ann)
    figure.suptitle(f"Fig. 6: {network} on {corpus}, {count} seed{'s' if count > 1 else ''}", fontsize=10)
    legend(figure, columns=5)
    header = ["", "accuracy (%)", "SynOps ratio", "epochs", "paper's ratio", "paper's epochs"]
    rows = [["ANN", mean_and_sd(values_of(ann, accuracy), 2), "", mean_and_sd(values_of(ann, epochs), 1), "", ""]]
    for label, group in groups.items():
        values = [mean_and_sd(values_of(group, measure), n) for measure, n in ((accuracy, 2), (ratio, 3), (epochs, 1))]
        theirs = FIG6_RATIO[1] if by_paper and label == f"{STEPS}{FIG6_RATIO[0]}" else None
        their_epochs = FIG6_EPOCHS[1] if by_paper and label == f"{PATIENCE}{FIG6_EPOCHS[0]}" else None
        rows.append([label, *values, number_or_dash(theirs, 3), number_or_dash(their_epochs, 0)])
    markdown = table(header, rows) + "\n\n" + _iso_accuracy(windows, ann)
    return Rendered([row(run) for run in finished], figure, markdown)


def _iso_accuracy(windows: Groups, ann: Sequence[FinishedRun]) -> str:
    """The SynOps ratio at the shortest window at which the SNN is as good as its ANN."""
    reference, paper = mean_of(ann, accuracy), "paper, AlexNet on CIFAR-10: 0.315 at N_s = 8"
    for steps, group in sorted(windows.items(), key=lambda item: int(item[0])):
        if mean_of(group, accuracy) >= reference:
            found = fmean(ratio(run) for run in group)
            return f"Iso-accuracy is reached at N_s = {steps}, with a SynOps ratio of {found:.3f} ({paper})."
    return f"Iso-accuracy is reached at none of these windows ({paper})."


def _part(groups: Groups, prefix: str) -> Groups:
    return {label.removeprefix(prefix): group for label, group in groups.items() if label.startswith(prefix)}
