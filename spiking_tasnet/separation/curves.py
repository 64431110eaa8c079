"""Learning curves of a whole run: the ANN's epochs, then the conversion's, its PTL stages shaded (Fig. 5's form)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spiking_tasnet.files import whole_file
from spiking_tasnet.separation.results import Epoch

TRAIN_COLOUR, DEV_COLOUR, MARK_COLOUR = "#8a94a6", "#1f5fbf", "#c2410c"
SHADES = ("#dbe7f7", "#f6ead9")


def stage_spans(history: Sequence[Epoch]) -> list[tuple[int, float, float]]:
    """Return (ptl_stage, first, last) of each stage on the axis of the whole run's epochs, half an epoch around.

    Example:
        >>> stage_spans([Epoch(1, 0, 0, 0), Epoch(2, 0, 0, 0), Epoch(1, 1, 0, 0)])
        [(0, 0.5, 2.5), (1, 2.5, 3.5)]
    """
    spans, first = [], 0.5
    for ptl_stage, epochs in groupby(history, key=lambda epoch: epoch.ptl_stage):
        last = first + len(list(epochs))
        spans.append((ptl_stage, first, last))
        first = last
    return spans


def draw_curves(history: Sequence[Epoch], stages: Sequence[dict[str, Any]] = ()) -> Figure:
    """Draw SI-SDR (dB, the negative loss) of the training and dev sets over the whole run's epochs.

    Args:
        history: the ANN's epochs, then the conversion's.
        stages: entries of stages.json; their `val_loss_converted` is marked where the stage begins.
    """
    spans = stage_spans(history)
    width = min(14.0, 6.0 + 0.06 * len(history) + 0.25 * len(spans))  # inches
    figure = Figure(figsize=(width, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    converted = {stage["ptl_stage"]: stage.get("val_loss_converted") for stage in stages}
    for ptl_stage, first, last in spans:
        if ptl_stage == 0:
            _name_span(axes, "ANN", first, last)
            continue
        axes.axvspan(first, last, color=SHADES[ptl_stage % 2], linewidth=0, zorder=0)
        _name_span(axes, str(ptl_stage), first, last)
    marks = [(first, -converted[n]) for n, first, _ in spans if n > 0 and converted.get(n) is not None]

    epochs = range(1, len(history) + 1)
    train = [-epoch.train_loss for epoch in history]
    axes.plot(epochs, train, color=TRAIN_COLOUR, linewidth=1.2, label="training set")
    dev = [-epoch.val_loss for epoch in history]
    axes.plot(epochs, dev, color=DEV_COLOUR, linewidth=1.8, marker="o", markersize=2.6, label="dev set")
    if marks:
        axes.plot(
            *zip(*marks, strict=True),
            color=MARK_COLOUR,
            linestyle="none",
            marker="x",
            markersize=5,
            label="dev set, right after conversion",
        )
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch of the whole run")
    axes.set_ylabel("SI-SDR (dB)")
    axes.grid(axis="y", color="#000000", alpha=0.12, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncol=3, frameon=False, fontsize=8)
    if len(spans) > 1:
        axes.set_title("Training of the ANN, then its conversion by PTL (stages numbered, shaded)", fontsize=10, pad=18)
    return figure


def write_curves(path: str | os.PathLike, history: Sequence[Epoch], stages: Sequence[dict[str, Any]] = ()) -> None:
    """Write `draw_curves` as an image, whole or not at all."""
    figure = draw_curves(history, stages)
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def _name_span(axes, name: str, first: float, last: float) -> None:
    """Write the name of a stage above its span."""
    axes.text(
        (first + last) / 2, 1.01, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=7.5
    )
