"""Progressive tandem learning over any LightningModule, and the baselines that train all layers at once.

callback    Algorithm 1
end_to_end  tandem learning and surrogate gradients, all layers at once
rate        rate-coded conversion, simulated in windows
schedule    patience, the record of a stage, stages.json
stage_rate  the learning rate inside a stage
spike_penalty  a price on spikes
activity    a price on activations, before the conversion
validation  Lightning's own validation, between two epochs
batches     training batches for a measurement, from a loader of its own
copies      a copy of the module to measure on
ranks       what several processes find out together
rewrap      DDP and optimisers, made anew for a stage
refusals    what cannot be converted stage by stage
followers   averages of the weights inside the module
trained_thresholds  thresholds as parameters of the joint stage
checkpoints  Lightning's best checkpoint, stage by stage
freeze      what lies below a layer
frozen_cache  what frozen layers fire, simulated once per stage
config      settings
"""

from typing import TYPE_CHECKING

from spiking_tasnet.lazy import lazy_names

if TYPE_CHECKING:
    from spiking_tasnet.ptl.callback import ProgressiveTandemLearning
    from spiking_tasnet.ptl.config import PTLConfig
    from spiking_tasnet.ptl.end_to_end import EndToEnd
    from spiking_tasnet.ptl.rate import simulate_rate
    from spiking_tasnet.ptl.schedule import StageRecord, stage_column, write_stages

__all__ = [
    "EndToEnd",
    "PTLConfig",
    "ProgressiveTandemLearning",
    "StageRecord",
    "simulate_rate",
    "stage_column",
    "write_stages",
]

__getattr__, __dir__ = lazy_names(
    globals(),
    {
        "EndToEnd": "spiking_tasnet.ptl.end_to_end",
        "PTLConfig": "spiking_tasnet.ptl.config",
        "ProgressiveTandemLearning": "spiking_tasnet.ptl.callback",
        "StageRecord": "spiking_tasnet.ptl.schedule",
        "simulate_rate": "spiking_tasnet.ptl.rate",
        "stage_column": "spiking_tasnet.ptl.schedule",
        "write_stages": "spiking_tasnet.ptl.schedule",
    },
)
