"""What there is to make, which trainings it needs, and the way from a configuration to a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spiking_tasnet.paper.activations import plan_activations, show_activations
from spiking_tasnet.paper.curves import plan_depth, plan_progress, show_depth, show_progress
from spiking_tasnet.paper.reconstructions import plan_images, show_images
from spiking_tasnet.paper.runs import Done, Run, Runs
from spiking_tasnet.paper.style import Shown, write_picture
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
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.networks import NETWORKS

CLASSIFIER, AUTOENCODER = "a classifier", "autoencoder"


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the paper.

    Attributes:
        told: what it shows.
        plan: its trainings with one seed, of a configuration and what was chosen.
        show: makes rows, picture and table of finished trainings.
        needs: kind of network; empty for any.
        options: what may be chosen, with its default.
        tested: whether the test set is read.
    """

    told: str
    plan: Callable[[Config, dict[str, tuple]], list[Run]]
    show: Callable[[Runs, Sequence[Done]], Shown]
    needs: str = CLASSIFIER
    options: Mapping[str, tuple] = field(default_factory=dict)
    tested: bool = True


STEPS, SMALL_STEPS = (32, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16)
DEPTHS = {"networks": ("vgg11", "vgg13", "vgg16"), "num_steps": (8,)}
SWEEPS = {"num_steps": SMALL_STEPS, "patiences": (1, 2, 4, 6)}
EXHIBITS = {
    "table1": Exhibit("methods compared", plan_methods, show_methods),
    "table2": Exhibit("PTL by weight bits", plan_bits, show_bits, options={"bits": (0, 8, 7, 6, 5, 4)}),
    "table3": Exhibit("autoencoder by N_s", plan_steps, show_steps, AUTOENCODER, {"num_steps": STEPS}),
    "fig1": Exhibit("activations of the ANN", plan_activations, show_activations, "", tested=False),
    "fig4": Exhibit("learning curves by depth", plan_depth, show_depth, options=DEPTHS),
    "fig5": Exhibit("progress of PTL", plan_progress, show_progress),
    "fig6": Exhibit("N_s and patience against accuracy and cost", plan_sweeps, show_sweeps, options=SWEEPS),
    "fig8": Exhibit("reconstructions", plan_images, show_images, AUTOENCODER),
}


def make(
    name: str, config: Config, data_dir: Path, out: Path, seeds: Sequence[int], chosen: Mapping[str, tuple]
) -> str:
    """Train what is not there yet, test it, and write `out/NAME.csv` and `out/NAME.png`.

    Args:
        name: of `EXHIBITS`.
        config: the experiment; its seed is not used.
        data_dir: what stage 0 made.
        out: also gets `runs`, which all exhibits share.
        seeds: one training each.
        chosen: options that differ from the exhibit's own.

    Returns:
        The table in Markdown, the paper's numbers beside.

    Raises:
        FileNotFoundError: stage 0 did not run.
        ValueError: a network of another kind, an option that the exhibit does not have, or a training that failed.
    """
    exhibit = EXHIBITS[name]
    runs = Runs(data_dir, out / "runs")
    planned = _plan(name, exhibit, config, chosen)
    planned = [
        dataclasses.replace(run, config=dataclasses.replace(run.config, seed=seed))
        for seed in dict.fromkeys(seeds)
        for run in planned
    ]
    shown = exhibit.show(runs, runs.obtain(planned, exhibit.tested))
    write_csv(out / f"{name}.csv", shown.rows)
    write_picture(out / f"{name}.png", shown.figure)
    return shown.markdown


def _plan(name: str, exhibit: Exhibit, config: Config, chosen: Mapping[str, tuple]) -> list[Run]:
    for option in chosen:
        if option not in exhibit.options:
            usable = ", ".join(f"--{other.replace('_', '-')}" for other in exhibit.options) or "none"
            raise ValueError(f"--{option.replace('_', '-')} found, which {name} does not have; it has {usable}")
    options = dict(exhibit.options) | {option: tuple(dict.fromkeys(values)) for option, values in chosen.items()}
    if name == "fig4" and len(options["num_steps"]) != 1:
        raise ValueError(f"--num-steps: {len(options['num_steps'])} values found, fig4 takes one")
    networks = options.get("networks", (config.model.network,))
    for network in networks:
        if network not in NETWORKS:
            raise ValueError(f"--networks: {network!r} found, one of {', '.join(NETWORKS)} expected")
        kind = AUTOENCODER if network == AUTOENCODER else CLASSIFIER
        if exhibit.needs and kind != exhibit.needs:
            raise ValueError(f"model.network: {network} found, {name} needs {exhibit.needs}; give another --config")
    return exhibit.plan(config, options)
