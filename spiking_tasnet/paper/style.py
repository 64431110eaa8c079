"""One look for all pictures: colours that the colour-blind tell apart (Okabe & Ito), the paper's numbers in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spiking_tasnet.files import whole_file
from spiking_tasnet.paper.summary import standard_deviation

BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
PAPER = "#6b7280"
PAPER_LINE: dict[str, Any] = {"color": PAPER, "linestyle": (0, (4, 3)), "linewidth": 1.3}
PAPER_MARKS: dict[str, Any] = PAPER_LINE | {"marker": "D", "markersize": 5, "markerfacecolor": "white"}


@dataclass(frozen=True)
class Rendered:
    """A finished exhibit: the rows of its CSV, its picture, and its table in Markdown."""

    rows: list[dict[str, Any]]
    figure: Figure
    markdown: str


def panels(rows: int, cols: int, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `width` x `height` inches with (rows, cols) axes."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    grid = figure.subplots(rows, cols, squeeze=False, **options)
    for axes in grid.flat:
        axes.grid(axis="y", color="#000000", alpha=0.12, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, grid


def legend(figure: Figure, columns: int = 4) -> None:
    """One legend below all panels, each label once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        options: dict[str, Any] = {"loc": "outside lower center", "frameon": False, "fontsize": 8}
        figure.legend(list(found.values()), list(found), ncol=min(columns, len(found)), **options)


def points(axes: Axes, groups: Mapping[str, Sequence[float]], colour: str = BLUE, label: str = "here") -> None:
    """Draw groups in turn at x = 0, 1, ...: a dot per seed, the mean with its standard deviation, a line.

    Args:
        axes: gets the keys of `groups` as tick labels.
        groups: tick label -> one value per seed.
        colour: of dots and line.
        label: of the legend.
    """
    values = list(groups.values())
    several = any(len(group) > 1 for group in values)
    axes.errorbar(
        range(len(values)),
        [fmean(group) for group in values],
        yerr=[standard_deviation(group) for group in values] if several else None,
        color=colour,
        marker="o",
        markersize=5,
        linewidth=1.6,
        capsize=3,
        label=f"{label}, mean ± s.d. of seeds" if several else label,
    )
    if several:
        dots = [(x, value) for x, group in enumerate(values) for value in group]
        axes.plot(*zip(*dots, strict=True), color=colour, alpha=0.4, marker=".", linestyle="none", label="each seed")
    axes.set_xticks(range(len(values)), list(groups))
    axes.set_xlim(-0.4, len(values) - 0.6)


def from_zero(axes: Axes) -> None:
    """Let the y axis begin at zero, with room above what is drawn; call it last."""
    axes.set_ylim(0, 1.04 * axes.get_ylim()[1])


def level(axes: Axes, value: float, label: str, colour: str = VERMILION) -> None:
    """Draw a dashed horizontal line at a value measured here."""
    axes.axhline(value, color=colour, linestyle="--", linewidth=1.2, label=label)


def paper_points(
    axes: Axes, keys: Sequence[str], values: Mapping[str, float], label: str = "paper", colour: str = PAPER
) -> None:
    """Draw the paper's numbers above the tick labels `keys`, where it has them."""
    found = [(x, values[key]) for x, key in enumerate(keys) if key in values]
    marks: dict[str, Any] = PAPER_MARKS | {"color": colour}
    if found:
        axes.plot(*zip(*found, strict=True), label=label, **marks)


def write_picture(path: Path, figure: Figure) -> None:
    """Write a picture, whole or not at all."""
    with whole_file(path) as temporary:
        figure.savefig(temporary)
