"""From a configuration to a picture, a CSV and a table: train what an exhibit needs, then draw it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spiking_tasnet.paper.activations import plan_activations, show_activations
from spiking_tasnet.paper.curves import plan_depth, plan_progress, show_depth, show_progress
from spiking_tasnet.paper.exhibits import AUTOENCODER, CLASSIFIER, EXHIBITS
from spiking_tasnet.paper.reconstructions import plan_images, show_images
from spiking_tasnet.paper.runs import Choices, FinishedRun, Run, Runs
from spiking_tasnet.paper.separation import show_separation
from spiking_tasnet.paper.style import Rendered, write_picture
from spiking_tasnet.paper.summary import write_csv
from spiking_tasnet.paper.sweeps import plan_sweeps, show_sweeps
from spiking_tasnet.paper.tables import (
    plan_bits,
    plan_methods,
    plan_steps,
    show_bits,
    show_methods,
    show_steps,
)
from spiking_tasnet.vision.config import NETWORKS, Config

Plan = Callable[[Config, Choices], list[Run]]  # the trainings of one seed
Show = Callable[[Runs, Sequence[FinishedRun]], Rendered]
MAKERS: dict[str, tuple[Plan, Show]] = {
    "table1": (plan_methods, show_methods),
    "table2": (plan_bits, show_bits),
    "table3": (plan_steps, show_steps),
    "fig1": (plan_activations, show_activations),
    "fig4": (plan_depth, show_depth),
    "fig5": (plan_progress, show_progress),
    "fig6": (plan_sweeps, show_sweeps),
    "fig8": (plan_images, show_images),
}


def make(name: str, config: Config, data_dir: Path, out: Path, seeds: Sequence[int], chosen: Choices) -> str:
    """Train what does not exist yet, test it, and write `out/NAME.csv` and `out/NAME.png`.

    Args:
        name: of `EXHIBITS`.
        config: the experiment; its seed is not used.
        data_dir: what stage 0 made.
        out: also gets `runs`, which all exhibits share.
        seeds: one training each.
        chosen: options that differ from the exhibit's own.

    Returns:
        The table in Markdown, with the paper's numbers beside ours.

    Raises:
        FileNotFoundError: stage 0 did not run.
        ValueError: a network of another kind, an option that the exhibit does not have, or a training that failed.
    """
    plan, show = MAKERS[name]
    runs = Runs(data_dir, out / "runs")
    planned = [
        dataclasses.replace(run, config=dataclasses.replace(run.config, seed=seed))
        for seed in dict.fromkeys(seeds)
        for run in plan(config, _choices(name, config, chosen))
    ]
    return _write(name, out, show(runs, runs.obtain(planned, EXHIBITS[name].tested)))


def make_table4(experiments: Sequence[Path], out: Path) -> str:
    """Write `out/table4.csv` and `out/table4.png` from finished experiments of a separation recipe.

    Args:
        experiments: exp/NAME, one per seed, each with the results.json of its report.
        out: the folder.

    Returns:
        The table in Markdown, with the paper's numbers beside ours.

    Raises:
        FileNotFoundError: an experiment without results.json.
        ValueError: a results.json that no report wrote, or one folder given twice.
    """
    return _write("table4", out, show_separation(experiments))


def _write(name: str, out: Path, rendered: Rendered) -> str:
    write_csv(out / f"{name}.csv", rendered.rows)
    write_picture(out / f"{name}.png", rendered.figure)
    return rendered.markdown


def _choices(name: str, config: Config, chosen: Mapping[str, tuple[Any, ...]]) -> Choices:
    """The options of an exhibit, checked, with its defaults where nothing is chosen."""
    exhibit = EXHIBITS[name]
    for option in chosen:
        if option not in exhibit.options:
            usable = ", ".join(f"--{other.replace('_', '-')}" for other in exhibit.options) or "none"
            raise ValueError(f"--{option.replace('_', '-')} found, which {name} does not have; it has {usable}")
    choices = dict(exhibit.options) | {option: tuple(dict.fromkeys(values)) for option, values in chosen.items()}
    if name == "fig4" and len(choices["num_steps"]) != 1:
        raise ValueError(f"--num-steps: {len(choices['num_steps'])} values found, fig4 takes one")
    for network in choices.get("networks", (config.model.network,)):
        if network not in NETWORKS:
            raise ValueError(f"--networks: {network!r} found, one of {', '.join(NETWORKS)} expected")
        kind = AUTOENCODER if network == AUTOENCODER else CLASSIFIER
        if exhibit.needs and kind != exhibit.needs:
            raise ValueError(f"model.network: {network} found, {name} needs {exhibit.needs}; give another --config")
    return choices
