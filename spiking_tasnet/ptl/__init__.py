"""Progressive tandem learning over any LightningModule.

callback  Algorithm 1
schedule  patience and the record of a stage
steps     a module's own steps outside Lightning's loops
freeze    what lies below a layer
resume    a checkpoint from which a run continues exactly
config    settings
"""

from spiking_tasnet.ptl.callback import ProgressiveTandemLearning
from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.ptl.resume import EpochCheckpoint
from spiking_tasnet.ptl.schedule import StageRecord

__all__ = ["EpochCheckpoint", "PTLConfig", "ProgressiveTandemLearning", "StageRecord"]
