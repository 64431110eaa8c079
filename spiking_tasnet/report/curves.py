"""Learning curves over the epochs of a whole run, PTL's stages shaded (the form of the paper's Fig. 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Span = tuple[int, float, float]  # stage, first, last: on the axis of epochs, half an epoch around them
TRAIN_COLOUR, DEV_COLOUR, MARK_COLOUR = "#8a94a6", "#1f5fbf", "#c2410c"
SHADES = ("#dbe7f7", "#f6ead9")


def stage_spans(ptl_stages: Iterable[int]) -> list[Span]:
    """Where each stage lies on the axis of the whole run's epochs.

    Args:
        ptl_stages: of each epoch in turn, 0 for an epoch of the ANN.

    Examples:
        >>> stage_spans([0, 0, 1])
        [(0, 0.5, 2.5), (1, 2.5, 3.5)]
    """
    spans, first = [], 0.5
    for ptl_stage, epochs in groupby(ptl_stages):
        last = first + len(list(epochs))
        spans.append((ptl_stage, first, last))
        first = last
    return spans


def shade_stages(axes: Axes, spans: Sequence[Span]) -> None:
    """Shade PTL's stages in turn and number them above the axes; stage 0 stays white and is named ANN."""
    for ptl_stage, first, last in spans:
        if ptl_stage:
            axes.axvspan(first, last, color=SHADES[ptl_stage % 2], linewidth=0, zorder=0)
        axes.text(
            (first + last) / 2,
            1.01,
            str(ptl_stage) if ptl_stage else "ANN",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7.5,
        )


def run_axes(spans: Sequence[Span], label: str) -> tuple[Figure, Axes]:
    """An empty figure of a whole run: one axis of epochs, its stages shaded, room for a legend below.

    Args:
        spans: of all stages.
        label: what is drawn over the epochs, with its unit.
    """
    n_epochs = round(spans[-1][2] - 0.5)
    width = min(14.0, 6.0 + 0.06 * n_epochs + 0.25 * len(spans))  # inches
    figure = Figure(figsize=(width, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    shade_stages(axes, spans)
    axes.set_xlim(0.5, n_epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch of the whole run")
    axes.set_ylabel(label)
    axes.grid(axis="y", color="#000000", alpha=0.12, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if len(spans) > 1:
        title = "Training of the ANN, then its conversion by PTL (stages numbered, shaded)"
        axes.set_title(title, fontsize=10, pad=18)
    return figure, axes


def mark_conversions(axes: Axes, marks: Sequence[tuple[float, float]], label: str) -> None:
    """Cross what was measured right after a conversion, at the epoch where its stage begins: (epoch, value)."""
    if marks:
        axes.plot(*zip(*marks, strict=True), color=MARK_COLOUR, linestyle="none", marker="x", markersize=5, label=label)
