"""Fig. 8: images of the test set beside what the spiking autoencoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from spiking_tasnet.paper.published import TABLE3
from spiking_tasnet.paper.runs import Done, Run, Runs
from spiking_tasnet.paper.style import Shown
from spiking_tasnet.paper.summary import mse, told, told_or_not, who
from spiking_tasnet.report.markdown import table
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.data import VisionData
from spiking_tasnet.vision.networks import load_model

PER_CLASS = 2  # images shown
PAIRS = 5  # across
GAP = 0.25  # between pairs, of an image's width


def plan_images(config: Config, chosen: dict[str, tuple]) -> list[Run]:
    """The spiking autoencoder."""
    return [Run("PTL", "ptl", config)]


def show_images(runs: Runs, done: Sequence[Done]) -> Shown:
    """Fig. 8; the picture is of the first seed, the CSV has the squared error of each image shown for all."""
    rows: list[dict[str, Any]] = []
    figure = None
    for one in done:
        index, images, labels = _some_images(runs, one.run.config)
        with torch.no_grad():
            made = load_model(one.folder / "model.pt")(images)
        errors = (made - images).square().flatten(1).mean(1)
        rows += [
            who(one) | {"image": int(i), "class": runs.corpus.classes[label], "mse": error}
            for i, label, error in zip(index, labels, errors.tolist(), strict=True)
        ]
        figure = figure or draw_pairs(images, made, one, runs)
    steps = done[0].run.config.ptl.num_steps
    theirs = TABLE3.get(steps) if runs.corpus.corpus == "mnist" else None
    shown, whole = [row["mse"] for row in rows], [mse(one) for one in done]
    lines = [[str(steps), f"{sum(shown) / len(shown):.5f}", told(whole, 5), told_or_not(theirs, 5)]]
    header = ["N_s", "MSE of the images shown", "MSE of the test set", "paper, test set"]
    return Shown(rows, figure, table(header, lines))


def draw_pairs(images: Tensor, made: Tensor, done: Done, runs: Runs) -> Figure:
    """All pairs in one picture, original left and reconstruction right."""
    canvas = pair_canvas(images.numpy(), made.numpy())
    height, width = canvas.shape[:2]
    figure = Figure(figsize=(8.0, 0.5 + 7.9 * height / width), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    config = done.run.config
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
    for place, pair in enumerate(pairs):
        top, left = place // PAIRS * (height + gap), place % PAIRS * (width + gap)
        canvas[top : top + height, left : left + width] = pair
    return canvas


def _some_images(runs: Runs, config: Config) -> tuple[np.ndarray, Tensor, Tensor]:
    """The first images of every class of the test set: their places in the test set, images, labels."""
    batches = list(VisionData(runs.data_dir, config.data, config.seed).test_dataloader())
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    found = [np.flatnonzero(labels.numpy() == label)[:PER_CLASS] for label in range(len(runs.corpus.classes))]
    index = np.concatenate([places[n : n + 1] for n in range(PER_CLASS) for places in found])
    return index, images[index], labels[index]
