"""The adaptive training scheduler of PTL (section 4.2): patience on the validation loss of the present stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from spiking_tasnet.files import write_json
from spiking_tasnet.training.history import Column


@dataclass
class Patience:
    """Counts epochs without gain.

    Attributes:
        limit: T_p; the stage is over when the counter reaches it.
        best: lowest validation loss of the stage.
        count: epochs since the loss improved.
    """

    limit: int
    best: float = math.inf
    count: int = 0

    def update(self, loss: float) -> bool:
        """Take the validation loss of an epoch; return whether it is the best so far.

        A NaN loss is never an improvement.
        """
        if loss < self.best:
            self.best, self.count = loss, 0
            return True
        self.count += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether the stage is over."""
        return self.count >= self.limit


JOINT = "joint"  # role of the stage that trains all converted layers


@dataclass
class StageRecord:
    """One stage of Algorithm 1; its losses are those that the callback records.

    Attributes:
        ptl_stage: from 1.
        layer: name of the converted layer; ``all`` in the joint stage.
        role: ``encoding``, ``spiking``, ``readout`` or ``joint``.
        act_max: a_u, mean over channels; 0 for a readout.
        threshold: theta, mean over channels; 0 for a readout.
        val_loss_before: before the conversion of the layer.
        val_loss_converted: right after it, before any training.
        val_loss_best: of the state that the stage ended with.
        epochs: trained in this stage.
    """

    ptl_stage: int
    layer: str
    role: str
    act_max: float
    threshold: float
    val_loss_before: float
    val_loss_converted: float
    val_loss_best: float = math.inf
    epochs: int = 0


def stage_column(stage: Callable[[], int] = int) -> Column:
    """The column of a history that tells PTL's stages: 0 in every epoch of a training without them."""
    return Column("ptl_stage", "PTL stage", stage)


def write_stages(path: Path, records: Iterable[StageRecord]) -> None:
    """Write the stages of a conversion as JSON; layers are named as in the network, without the module around it."""
    stages = [asdict(record) | {"layer": record.layer.removeprefix("network.")} for record in records]
    write_json(path, stages, durable=True)
