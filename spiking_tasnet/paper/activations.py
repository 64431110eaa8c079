"""Fig. 1: how the activations of each layer of the ANN are distributed, and which percentiles cut them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import nn

from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.style import BLUE, ORANGE, VERMILION, Rendered, legend, panels
from spiking_tasnet.paper.summary import mean_and_sd, row_labels
from spiking_tasnet.report.markdown import table
from spiking_tasnet.snn import activation_percentile, convertible_layers
from spiking_tasnet.snn.conversion import measure_activations
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.data import Batch, VisionData
from spiking_tasnet.vision.networks import load_model

BINS = 60
PERCENTILES = (99.0, 99.9)  # the two that the paper names (section 3.3)
LINES = ((VERMILION, "--"), (ORANGE, ":"))


@dataclass(frozen=True)
class Histogram:
    """Activations of one layer, in its own units.

    Attributes:
        layer: its number from 1, its kind and its channels.
        edges: of the bins, one more than there are bins.
        counts: neurons x images in each bin.
        silent: fraction of activations that are zero.
        percentiles: at `PERCENTILES`.
        largest: the largest activation.
    """

    layer: str
    edges: list[float]
    counts: list[int]
    silent: float
    percentiles: tuple[float, ...]
    largest: float


def plan_activations(config: Config, choices: Choices) -> list[Run]:
    """The ANN."""
    return [Run("ANN", "ann", config)]


def histograms(network: nn.Module, batches: Iterable[Batch]) -> list[Histogram]:
    """Histograms of every ReLU layer's outputs on batches of images."""

    def run() -> None:
        for images, _ in batches:
            network(images)

    found = []
    for number, layer in enumerate(convertible_layers(network).values(), start=1):
        if not layer.rectify:
            continue
        values = measure_activations(network, layer, run).activations
        kind = "dense" if isinstance(layer.operator, nn.Linear) else "conv"
        largest = values.max().item()
        top = largest or 1.0
        found.append(
            Histogram(
                f"{number}: {kind} {layer.operator.get_parameter('weight').shape[0]}",
                torch.linspace(0, top, BINS + 1).tolist(),
                [int(count) for count in torch.histc(values, BINS, 0, top)],
                (values == 0).float().mean().item(),
                tuple(activation_percentile(values, percentile).item() for percentile in PERCENTILES),
                largest,
            )
        )
    return found


def show_activations(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Fig. 1. The picture is of the first seed: other seeds have other units in each layer."""
    found = []
    for run in finished:
        data = VisionData(runs.data_dir, run.config.data, run.config.seed)
        batches = list(islice(data.train_dataloader(), run.config.ptl.threshold_batches))
        found.append(histograms(load_model(run.folder / "model.pt"), batches))
    rows = [
        row_labels(run)
        | {"layer": layer.layer, "low": low, "high": high, "count": count, "silent": layer.silent}
        | {f"percentile_{p:g}": value for p, value in zip(PERCENTILES, layer.percentiles, strict=True)}
        | {"largest": layer.largest}
        for run, layers in zip(finished, found, strict=True)
        for layer in layers
        for low, high, count in zip(layer.edges, layer.edges[1:], layer.counts, strict=False)
    ]
    lines = []
    for seeds in zip(*found, strict=True):  # one layer of every seed
        cells = [[layer.largest for layer in seeds]]
        cells += [[layer.percentiles[index] for layer in seeds] for index in range(len(PERCENTILES))]
        silent = f"{100 * fmean(layer.silent for layer in seeds):.1f}"
        lines.append([seeds[0].layer, silent, *(mean_and_sd(values, 3) for values in (*cells[1:], cells[0]))])
    header = ["layer", "zeros (%)", *(f"{p:g}th percentile" for p in PERCENTILES), "largest"]
    return Rendered(rows, _draw(found[0], runs, finished[0]), table(header, lines))


def _draw(layers: Sequence[Histogram], runs: Runs, run: FinishedRun) -> Figure:
    cols = min((4, 5, 3), key=lambda cols: -len(layers) % cols)  # the fewest empty panels
    n_rows = -(-len(layers) // cols)
    figure, grid = panels(n_rows, cols, 2.6 * cols, 1.0 + 2.3 * n_rows)
    for axes, layer in zip(grid.flat, layers, strict=False):
        axes.stairs(layer.counts, layer.edges, color=BLUE, alpha=0.75, fill=True, baseline=0.5)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5)
        axes.set_xlim(0, layer.edges[-1])
        for (colour, style), percentile, value in zip(LINES, PERCENTILES, layer.percentiles, strict=True):
            axes.axvline(value, color=colour, linestyle=style, linewidth=1.5, label=f"{percentile:g}th percentile")
        axes.set_title(layer.layer, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("activation", fontsize=8)
    for axes in grid.flat[len(layers) :]:
        axes.remove()
    figure.supylabel("neurons x images per bin", fontsize=9)
    name, seed = run.config.model.network, run.config.seed
    title = f"Fig. 1: activations of the ANN {name} on {runs.corpus.corpus}, in each layer's own units, seed {seed}"
    figure.suptitle(title, fontsize=10)
    legend(figure)
    return figure
