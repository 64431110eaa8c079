"""The training of any recipe: it can be killed at any time and continues exactly.

fit             one trainer for all trainings
history         one row per epoch, in a CSV and in the log
checkpoint      a file from which a training continues exactly
best_state      the best epoch by validation
moving_average  an average of the weights, validated in their place
claim           the folder of a training: one process, one set of settings
provenance      how a result came about
loaders         loader processes: how they end, and what goes wrong in them, in one line
sampler         the order of an epoch
muon            an optimiser for matrices
precision       whether bfloat16 is worth taking
"""

from spiking_tasnet.training.best_state import BestState
from spiking_tasnet.training.checkpoint import EpochCheckpoint
from spiking_tasnet.training.claim import claimed, fingerprint
from spiking_tasnet.training.fit import fit
from spiking_tasnet.training.loaders import loader_faults
from spiking_tasnet.training.moving_average import MovingAverage
from spiking_tasnet.training.provenance import run_facts

__all__ = [
    "BestState",
    "EpochCheckpoint",
    "MovingAverage",
    "claimed",
    "fingerprint",
    "fit",
    "loader_faults",
    "run_facts",
]
