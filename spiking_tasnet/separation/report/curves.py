"""Learning curves of a whole run: the ANN's epochs, then the conversion's, its PTL stages shaded (Fig. 5's form)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from spiking_tasnet.files import whole_file
from spiking_tasnet.report import curves
from spiking_tasnet.separation.report.results import Epoch


def stage_spans(history: Sequence[Epoch]) -> list[curves.Span]:
    """Return (ptl_stage, first, last) of each stage on the axis of the whole run's epochs, half an epoch around.

    Examples:
        >>> stage_spans([Epoch(1, 0, 0, 0), Epoch(2, 0, 0, 0), Epoch(1, 1, 0, 0)])
        [(0, 0.5, 2.5), (1, 2.5, 3.5)]
    """
    return curves.stage_spans(epoch.ptl_stage for epoch in history)


def draw_curves(history: Sequence[Epoch], stages: Sequence[dict[str, Any]] = ()) -> Figure:
    """Draw SI-SDR (dB, the negative loss) of the training and dev sets over the whole run's epochs.

    Args:
        history: the ANN's epochs, then the conversion's.
        stages: entries of stages.json; their `val_loss_converted` is marked where the stage begins.
    """
    spans = stage_spans(history)
    figure, axes = curves.run_axes(spans, "SI-SDR (dB)")
    epochs = range(1, len(history) + 1)
    train = [-epoch.train_loss for epoch in history]
    axes.plot(epochs, train, color=curves.TRAIN_COLOUR, linewidth=1.2, label="training set")
    dev = [-epoch.val_loss for epoch in history]
    axes.plot(epochs, dev, color=curves.DEV_COLOUR, linewidth=1.8, marker="o", markersize=2.6, label="dev set")
    converted = {stage["ptl_stage"]: stage.get("val_loss_converted") for stage in stages}
    marks = [(first, -loss) for n, first, _ in spans if n > 0 and (loss := converted.get(n)) is not None]
    curves.mark_conversions(axes, marks, "dev set, right after conversion")
    figure.legend(loc="outside lower center", ncol=3, frameon=False, fontsize=8)
    return figure


def write_curves(path: str | os.PathLike, history: Sequence[Epoch], stages: Sequence[dict[str, Any]] = ()) -> None:
    """Write `draw_curves` as an image, whole or not at all."""
    figure = draw_curves(history, stages)
    with whole_file(path) as temporary:
        figure.savefig(temporary)
