"""Fig. 8: images of the test set beside what the spiking autoencoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from spiking_tasnet.paper.published import TABLE3
from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.style import Rendered
from spiking_tasnet.paper.summary import mean_and_sd, mse, number_or_dash, row_labels, values_of
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.data import VisionData
from spiking_tasnet.vision.networks import load_model

PER_CLASS = 2  # images shown
PAIRS = 5  # across
GAP = 0.25  # between pairs, of an image's width


def plan_images(config: Config, choices: Choices) -> list[Run]:
    """The spiking autoencoder."""
    return [Run("PTL", "ptl", config)]


def show_images(runs: Runs, finished: Sequence[FinishedRun]) -> Rendered:
    """Fig. 8. The picture is of the first seed; the CSV has the squared error of every image shown, for all seeds."""
    rows: list[dict[str, Any]] = []
    pictures = []
    for run in finished:
        index, images, labels = _first_images(runs, run.config)
        with torch.no_grad():
            made = load_model(run.folder / "model.pt")(images)
        errors = (made - images).square().flatten(1).mean(1)
        rows += [
            row_labels(run) | {"image": int(i), "class": runs.corpus.classes[label], "mse": error}
            for i, label, error in zip(index, labels, errors.tolist(), strict=True)
        ]
        pictures.append(pair_canvas(images.numpy(), made.numpy()))
    steps = finished[0].config.ptl.num_steps
    theirs = TABLE3.get(steps) if runs.corpus.corpus == "mnist" else None
    shown, whole = [row["mse"] for row in rows], values_of(finished, mse)
    lines = [[str(steps), f"{sum(shown) / len(shown):.5f}", mean_and_sd(whole, 5), number_or_dash(theirs, 5)]]
    header = ["N_s", "MSE of the images shown", "MSE of the test set", "paper, test set"]
    return Rendered(rows, draw_pairs(pictures[0], finished[0], runs), table(header, lines))


def draw_pairs(canvas: np.ndarray, run: FinishedRun, runs: Runs) -> Figure:
    """The picture of `pair_canvas`, with a title."""
    height, width = canvas.shape[:2]
    figure = Figure(figsize=(8.0, 0.5 + 7.9 * height / width), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    config = run.config
    title = f"Fig. 8: spiking autoencoder on {runs.corpus.corpus}, $N_s$ = {config.ptl.num_steps}, seed {config.seed}"
    axes.set_title(f"{title}\nof each pair: the original left, its reconstruction right", fontsize=10)
    return figure


def pair_canvas(images: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Lay pairs out on white.

    Args:
        images: (n, chan, height, width), pixels from 0 to 1.
        made: the same.

    Returns:
        (rows, columns, chan) of pixels.
    """
    pairs = np.concatenate([images, made], axis=3).clip(0, 1).transpose(0, 2, 3, 1)
    count, height, width, chan = pairs.shape
    gap = max(1, round(GAP * height))
    n_rows = -(-count // PAIRS)
    canvas = np.ones((n_rows * (height + gap) - gap, PAIRS * (width + gap) - gap, chan), np.float32)
    for number, pair in enumerate(pairs):
        top, left = number // PAIRS * (height + gap), number % PAIRS * (width + gap)
        canvas[top : top + height, left : left + width] = pair
    return canvas


def _first_images(runs: Runs, config: Config) -> tuple[np.ndarray, Tensor, Tensor]:
    """The first images of every class of the test set: their indices there, the images, their labels."""
    batches = list(VisionData(runs.data_dir, config.data, config.seed).test_dataloader())
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    found = [np.flatnonzero(labels.numpy() == label)[:PER_CLASS] for label in range(len(runs.corpus.classes))]
    index = np.concatenate([indices[n : n + 1] for n in range(PER_CLASS) for indices in found])
    return index, images[index], labels[index]
