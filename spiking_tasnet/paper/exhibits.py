"""The catalogue: which tables and figures of the paper can be made, and which options each one has.

It loads no torch, so that `spiking-tasnet paper --help` is quick; `make` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CLASSIFIER, AUTOENCODER = "a classifier", "autoencoder"


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the paper that needs trainings on images.

    Attributes:
        description: what it shows.
        needs: kind of network; empty for any.
        options: what may be chosen, with its default.
        tested: whether the test set is read.
    """

    description: str
    needs: str = CLASSIFIER
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    tested: bool = True


STEPS, SMALL_STEPS = (32, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16)
DEPTHS = {"networks": ("vgg11", "vgg13", "vgg16"), "num_steps": (8,)}
SWEEPS = {"num_steps": SMALL_STEPS, "patiences": (1, 2, 4, 6)}
EXHIBITS = {
    "table1": Exhibit("methods compared"),
    "table2": Exhibit("PTL by weight bits", options={"bits": (0, 8, 7, 6, 5, 4)}),
    "table3": Exhibit("autoencoder by N_s", AUTOENCODER, {"num_steps": STEPS}),
    "fig1": Exhibit("activations of the ANN", "", tested=False),
    "fig4": Exhibit("learning curves by depth", options=DEPTHS),
    "fig5": Exhibit("progress of PTL"),
    "fig6": Exhibit("N_s and patience against accuracy and cost", options=SWEEPS),
    "fig8": Exhibit("reconstructions", AUTOENCODER),
}
TABLE4 = "table4"  # trains nothing: it reads experiments of a separation recipe
DESCRIPTIONS = {name: exhibit.description for name, exhibit in EXHIBITS.items()}
DESCRIPTIONS[TABLE4] = "speech separation, ANN and SNN (from finished experiments, --exp)"
