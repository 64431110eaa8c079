"""One look for all pictures: colours that the colour-blind tell apart (Okabe & Ito), the paper's numbers in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spiking_tasnet.files import whole_file
from spiking_tasnet.paper.runs import Done
from spiking_tasnet.paper.summary import spread

BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
PAPER = "#6b7280"
PAPER_LINE = {"color": PAPER, "linestyle": (0, (4, 3)), "linewidth": 1.3}
PAPER_MARKS = PAPER_LINE | {"marker": "D", "markersize": 5, "markerfacecolor": "white"}


@dataclass(frozen=True)
class Shown:
    """What an exhibit comes to: rows of its CSV, its picture, and its table in Markdown."""

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
        options = {"loc": "outside lower center", "frameon": False, "fontsize": 8}
        figure.legend(found.values(), found.keys(), ncol=min(columns, len(found)), **options)


def points(
    axes: Axes,
    groups: Mapping[Any, Sequence[Done]],
    measure: Callable[[Done], float],
    colour: str = BLUE,
    label: str = "here",
) -> None:
    """Draw groups of runs in turn at x = 0, 1, ...: a dot a seed, the mean with its standard deviation, a line.

    The keys of `groups` name the places on the x axis.
    """
    values = [[measure(one) for one in done] for done in groups.values()]
    places = range(len(values))
    several = any(len(some) > 1 for some in values)
    axes.errorbar(
        places,
        [fmean(some) for some in values],
        yerr=[spread(some) for some in values] if several else None,
        color=colour,
        marker="o",
        markersize=5,
        linewidth=1.6,
        capsize=3,
        label=f"{label}, mean ± s.d. of seeds" if several else label,
    )
    if several:
        dots = [(place, value) for place, some in zip(places, values, strict=True) for value in some]
        axes.plot(*zip(*dots, strict=True), color=colour, alpha=0.4, marker=".", linestyle="none", label="each seed")
    axes.set_xticks(list(places), [str(key) for key in groups])
    axes.set_xlim(-0.4, len(values) - 0.6)


def from_zero(axes: Axes) -> None:
    """Let the y axis begin at zero, with room above what is drawn; call it last."""
    axes.set_ylim(0, 1.04 * axes.get_ylim()[1])


def level(axes: Axes, value: float, label: str, colour: str = VERMILION) -> None:
    """A dashed horizontal line of what was measured here."""
    axes.axhline(value, color=colour, linestyle="--", linewidth=1.2, label=label)


def paper_points(axes: Axes, keys: Sequence[Any], values: Mapping[Any, float], label: str = "paper") -> None:
    """The paper's numbers at the places of their keys, where it has them."""
    found = [(place, values[key]) for place, key in enumerate(keys) if key in values]
    if found:
        axes.plot(*zip(*found, strict=True), label=label, **PAPER_MARKS)


def write_picture(path: Path, figure: Figure) -> None:
    """Write a picture, whole or not at all."""
    with whole_file(path) as temporary:
        figure.savefig(temporary)
