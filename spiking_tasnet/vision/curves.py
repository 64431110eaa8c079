"""Learning curves of a vision experiment: the ANN, its conversion with shaded stages, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from spiking_tasnet.files import whole_file
from spiking_tasnet.report import curves
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.methods import METHODS, needs_ann

History = Sequence[Mapping[str, float]]


def draw_curves(histories: Mapping[str, History], stages: Sequence[Mapping[str, Any]], config: Config) -> Figure:
    """Draw the score on the validation images after each epoch.

    Args:
        histories: trained method -> rows of its history.csv. The epochs of `ptl` follow those of `ann`. A baseline
            begins at epoch 1, or after the ANN if it starts from it.
        stages: entries of stages.json; for a reconstruction, `val_loss_converted` is marked where a stage begins.
        config: of the experiment.
    """
    reconstruct = config.model.reconstructs
    ann, ptl = (list(histories.get(method, ())) for method in ("ann", "ptl"))
    compared = {method: histories[key] for key, method in METHODS.items() if method.end_to_end and key in histories}
    starts = {method: len(ann) if needs_ann(method.key, config) else 0 for method in compared}
    longest = max([len(ann) + len(ptl), *(starts[method] + len(rows) for method, rows in compared.items())])

    spans = curves.stage_spans(int(row["ptl_stage"]) for row in [*ann, *ptl]) or [(0, 0.5, 0.5)]
    figure, axes = curves.run_axes(spans, f"{'MSE' if reconstruct else 'accuracy (%)'} on validation images")
    axes.set_xlim(0.5, longest + 0.5)
    dots: dict[str, Any] = {"marker": "o", "markersize": 2.6}  # so that a single epoch shows too
    own = dots | {"linewidth": 1.8, "color": METHODS["ptl"].colour}
    name = "ANN, then PTL" if ann and ptl else "PTL" if ptl else "ANN"
    axes.plot(range(1, len(ann) + len(ptl) + 1), _scores([*ann, *ptl], reconstruct), label=name, **own)
    for method, rows in compared.items():
        epochs = range(starts[method] + 1, starts[method] + len(rows) + 1)
        line = dots | {"color": method.colour, "linestyle": method.line, "linewidth": 1.4}
        axes.plot(epochs, _scores(rows, reconstruct), label=method.label, **line)
    if reconstruct:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        converted = {stage["ptl_stage"]: stage["val_loss_converted"] for stage in stages}
        marks = [(first, converted[stage]) for stage, first, _ in spans if stage in converted]
        curves.mark_conversions(axes, marks, "right after conversion")
    figure.legend(loc="outside lower center", ncol=5, frameon=False, fontsize=8)
    return figure


def write_curves(
    path: Path, histories: Mapping[str, History], stages: Sequence[Mapping[str, Any]], config: Config
) -> bool:
    """Write `draw_curves` as an image, whole or not at all; return whether there was anything to draw."""
    if not histories:
        return False
    figure = draw_curves(histories, stages, config)
    with whole_file(path) as temporary:
        figure.savefig(temporary)
    return True


def _scores(rows: History, reconstruct: bool) -> list[float]:
    """MSE, or accuracy in %, on the validation images."""
    return [row["val_loss"] if reconstruct else 100 * row["val_accuracy"] for row in rows]
