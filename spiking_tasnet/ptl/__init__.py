"""Progressive tandem learning over any LightningModule, and the methods it is compared with.

callback    Algorithm 1
end_to_end  tandem learning and surrogate gradients, all layers at once
rate        rate-coded conversion, simulated in windows
schedule    patience and the record of a stage
steps       a module's own steps outside Lightning's loops
freeze      what lies below a layer
frozen_cache  what frozen layers fire, simulated once a stage
config      settings

Training as the recipes do it:
fit         one trainer for all
history     epochs on the screen and in a CSV, how a run came about
best_state  what is kept of all epochs
moving_average  of the weights; muon: an optimiser of matrices
resume      a checkpoint from which a run continues exactly
claim       a training's folder: one process, one set of settings
loaders     what goes wrong in loader processes
sampler     the order of an epoch
curves      learning curves over a whole run, stages shaded
"""

from spiking_tasnet.ptl.best_state import BestState
from spiking_tasnet.ptl.callback import ProgressiveTandemLearning
from spiking_tasnet.ptl.claim import claimed, fingerprint
from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.ptl.end_to_end import EndToEnd
from spiking_tasnet.ptl.fit import fit
from spiking_tasnet.ptl.history import run_facts
from spiking_tasnet.ptl.loaders import loader_faults
from spiking_tasnet.ptl.moving_average import MovingAverage
from spiking_tasnet.ptl.rate import simulate_rate
from spiking_tasnet.ptl.resume import EpochCheckpoint
from spiking_tasnet.ptl.schedule import StageRecord

__all__ = [
    "BestState",
    "EndToEnd",
    "EpochCheckpoint",
    "MovingAverage",
    "PTLConfig",
    "ProgressiveTandemLearning",
    "StageRecord",
    "claimed",
    "fingerprint",
    "fit",
    "loader_faults",
    "run_facts",
    "simulate_rate",
]
