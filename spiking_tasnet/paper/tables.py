"""Tables 1 (methods), 2 (weight bits) and 3 (N_s of the autoencoder)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from statistics import fmean

from spiking_tasnet.paper.published import TABLE1, TABLE2, TABLE3, TABLE3_ANN
from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.style import (
    BLUE,
    GREEN,
    PAPER,
    PAPER_LINE,
    VERMILION,
    Rendered,
    from_zero,
    legend,
    level,
    panels,
    paper_points,
    points,
)
from spiking_tasnet.paper.summary import (
    NO_NUMBER,
    Groups,
    accuracy,
    by_label,
    epochs,
    mean_and_sd,
    mean_of,
    mse,
    number_or_dash,
    row,
    values_by_label,
    values_of,
)
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.methods import METHODS

COMPARED = [method for method in METHODS.values() if method.key != "lif"]  # the paper's neurons do not leak
ANN_CONVERTED, ANN_LONGER = "ANN that is converted", "ANN, as many epochs"


def plan_methods(config: Config, choices: Choices) -> list[Run]:
    """Every method on the network of the configuration."""
    return [Run(method.label, method.key, config) for method in COMPARED]


def show_methods(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Table 1."""
    groups, network = by_label(finished), finished[0].config.model.network
    paper = TABLE1.get((runs.corpus.corpus, network), {})
    with_top5 = runs.corpus.corpus == "imagenet"
    figure, grid = panels(1, 1, 7.2, 3.6)
    axes, lines = grid[0, 0], []
    for y, (label, group) in enumerate(groups.items()):
        values, steps = values_of(group, accuracy), group[0].test["num_steps"]
        entry = paper.get(group[0].method)
        if len(values) > 1:
            axes.plot(values, [y] * len(values), ".", color=BLUE, alpha=0.45, markersize=7, label="each seed")
        axes.plot([fmean(values)], [y], "o", color=BLUE, markersize=8, label="mean" if len(values) > 1 else "here")
        if entry:
            axes.plot([entry.accuracy] * 2, [y - 0.34, y + 0.34], label="paper", **PAPER_LINE)
        top5 = [mean_and_sd([100 * run.test["top5"] for run in group], 2)] if with_top5 else []
        lines.append(
            [label, str(steps or NO_NUMBER), mean_and_sd(values, 2), *top5, mean_and_sd(values_of(group, epochs), 0)]
            + [number_or_dash(entry and entry.accuracy, 2), number_or_dash(entry and entry.num_steps, 0)]
            + [entry.source if entry else NO_NUMBER]
        )
    steps = [group[0].test["num_steps"] for group in groups.values()]
    names = [f"{label}\n$N_s$ = {n}" if n else label for label, n in zip(groups, steps, strict=True)]
    axes.set_yticks(range(len(groups)), names, fontsize=8)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(axis="x", color="#000000", alpha=0.12, linewidth=0.6)
    axes.set_xlabel("accuracy on the test set (%)")
    axes.set_title(f"Table 1: {network} on {runs.corpus.corpus}, {_seeds(groups)}", fontsize=10)
    legend(figure)
    top5 = ["top 5 (%)"] if with_top5 else []
    header = ["method", "N_s", "accuracy (%)", *top5, "epochs", "paper (%)", "paper's N_s", "paper's source"]
    notes = ["Epochs are of the training itself; PTL, rate coding and no training start from the ANN."]
    rate = next(run for run in finished if run.method == "rate").test["images"]
    most = max(run.test["images"] for run in finished)
    if rate < most:
        notes.append(f"Rate coding was tested on {rate} images only (baselines.rate_images), the others on {most}.")
    if most < runs.corpus.counts[1]:
        notes.append(f"The test set has {runs.corpus.counts[1]} images (data.limit_test).")
    return Rendered([row(run) for run in finished], figure, table(header, lines) + "\n\n" + " ".join(notes))


def plan_bits(config: Config, choices: Choices) -> list[Run]:
    """PTL with weights and biases of each number of bits."""
    return [
        Run("float" if not bits else f"{bits} bits", "ptl", _with_ptl(config, weight_bits=bits))
        for bits in choices["bits"]
    ]


def show_bits(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Table 2."""
    groups, network = by_label(finished), finished[0].config.model.network
    paper = TABLE2.get((runs.corpus.corpus, network), {})
    bits = {label: group[0].config.ptl.weight_bits for label, group in groups.items()}
    full = mean_of(groups["float"], accuracy) if "float" in groups else None
    lines = []
    for label, group in groups.items():
        theirs, ours = paper.get(bits[label]), mean_of(group, accuracy)
        change = number_or_dash(None if full is None else ours - full, 2, "+")
        their_change = number_or_dash(None if theirs is None else theirs - paper[0], 2, "+")
        lines.append(
            [label, mean_and_sd(values_of(group, accuracy), 2), change, number_or_dash(theirs, 2), their_change]
        )
    figure, grid = panels(1, 1, 6.4, 3.8)
    axes = grid[0, 0]
    paper_points(axes, list(groups), {label: paper[n] for label, n in bits.items() if n in paper})
    points(axes, values_by_label(groups, accuracy))
    axes.set_xlabel("bits of weights and biases")
    axes.set_ylabel("accuracy on the test set (%)")
    axes.set_title(f"Table 2: PTL of {network} on {runs.corpus.corpus}, {_seeds(groups)}", fontsize=10)
    legend(figure)
    header = ["weights", "accuracy (%)", "change", "paper (%)", "paper's change"]
    return Rendered([row(run) for run in finished], figure, table(header, lines))


def plan_steps(config: Config, choices: Choices) -> list[Run]:
    """The ANN, one trained for as many epochs as it and its conversion may take, and PTL at each N_s."""
    total = config.ann.max_epochs + config.snn.max_epochs
    decay_at = round(config.ann.decay_at * total / config.ann.max_epochs)  # the same schedule, stretched
    longer = dataclasses.replace(config.ann, max_epochs=total, decay_at=decay_at)
    runs = [
        Run(ANN_CONVERTED, "ann", config),
        Run(ANN_LONGER, "ann", dataclasses.replace(config, ann=longer)),
    ]
    return runs + [Run(str(steps), "ptl", _with_ptl(config, num_steps=steps)) for steps in choices["num_steps"]]


def show_steps(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Table 3."""
    groups = by_label(finished)
    paper = TABLE3 if runs.corpus.corpus == "mnist" else {}
    baselines = {label: groups.pop(label) for label in (ANN_CONVERTED, ANN_LONGER)}
    reference = mean_of(baselines[ANN_LONGER], mse)
    lines = []
    for label, group in (baselines | groups).items():
        theirs = (TABLE3_ANN if label in baselines else TABLE3.get(int(label))) if paper else None
        if label == ANN_LONGER:
            theirs = None  # the paper does not say how long its ANN was trained
        change = number_or_dash(mean_of(group, mse) - reference, 5, "+")
        their_change = number_or_dash(None if theirs is None else theirs - TABLE3_ANN, 5, "+")
        name = label if label in baselines else f"SNN, N_s = {label}"
        counted = mean_and_sd(values_of(group, epochs), 0)
        lines.append(
            [name, mean_and_sd(values_of(group, mse), 5), change, counted, number_or_dash(theirs, 5), their_change]
        )
    figure, grid = panels(1, 1, 6.8, 4.2)
    axes = grid[0, 0]
    if paper:
        paper_points(axes, list(groups), {str(steps): value for steps, value in paper.items()}, "paper, SNN")
        axes.axhline(TABLE3_ANN, color=PAPER, linestyle=":", linewidth=1.3, label="paper, ANN")
    level(axes, mean_of(baselines[ANN_CONVERTED], mse), ANN_CONVERTED, GREEN)
    level(axes, reference, ANN_LONGER, VERMILION)
    points(axes, values_by_label(groups, mse), label="SNN")
    from_zero(axes)
    axes.set_xlabel("encoding time window $N_s$ (steps)")
    axes.set_ylabel("mean squared error, pixels from 0 to 1")
    axes.set_title(f"Table 3: spiking autoencoder on {runs.corpus.corpus}, {_seeds(groups)}", fontsize=10)
    legend(figure, columns=3)
    header = ["model", "MSE", "change", "epochs", "paper", "paper's change"]
    note = f"Changes are relative to '{ANN_LONGER}'. An SNN's epochs are on top of those of the ANN that is converted."
    return Rendered([row(run) for run in finished], figure, table(header, lines) + "\n\n" + note)


def _with_ptl(config: Config, **changes: int) -> Config:
    return dataclasses.replace(config, ptl=dataclasses.replace(config.ptl, **changes))


def _seeds(groups: Groups) -> str:
    count = len(next(iter(groups.values())))
    return f"{count} seed" + ("s" if count > 1 else "")
