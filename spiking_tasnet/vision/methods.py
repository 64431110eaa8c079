"""The seven methods: what each is called, how its learning curve is drawn, and whether it starts from the ANN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spiking_tasnet.vision.config import Config


@dataclass(frozen=True)
class Method:
    """One way to get a network, analog or spiking.

    Attributes:
        key: name in commands, folders and results.json.
        label: name in tables and pictures.
        description: what it does, for `--help` and RESULTS.md.
        needs_ann: always starts from the trained ANN.
        end_to_end: trains all layers at once, from scratch or, with `baselines.pretrained`, from the trained ANN.
        constrained: obeys the hardware constraints of section `ptl` (weight bits, fan-in).
        colour: of its learning curve; empty for methods without training.
        line: matplotlib's style of that curve.
    """

    key: str
    label: str
    description: str
    needs_ann: bool = False
    end_to_end: bool = False
    constrained: bool = False
    colour: str = ""
    line: str = "-"

    @property
    def trains(self) -> bool:
        """Whether it changes weights; conversions alone do not."""
        return bool(self.colour)


RUN_COLOUR = "#1f5fbf"  # the ANN and its conversion, one line over all epochs
METHODS = {
    method.key: method
    for method in (
        Method("ann", "ANN", "analog network", colour=RUN_COLOUR),
        Method("ptl", "PTL", "progressive tandem learning", True, constrained=True, colour=RUN_COLOUR),
        Method(
            "tandem",
            "tandem learning",
            "end-to-end tandem learning",
            end_to_end=True,
            colour="#0f766e",
            line="--",
        ),
        Method(
            "surrogate",
            "surrogate gradient",
            "surrogate gradient through time, IF neurons",
            end_to_end=True,
            colour="#9d174d",
            line="-.",
        ),
        Method(
            "lif",
            "surrogate gradient, LIF",
            "surrogate gradient through time, LIF neurons",
            end_to_end=True,
            colour="#7c3aed",
            line=":",
        ),
        Method("rate", "rate coding", "rate-coded conversion", True),
        Method("primitive", "no training", "conversion without training", True, constrained=True),
    )
}


def needs_ann(method: str, config: Config) -> bool:
    """Whether a method starts from the trained ANN under this configuration; if not, it starts from scratch."""
    record = METHODS[method]
    return record.needs_ann or (record.end_to_end and config.baselines.pretrained)
