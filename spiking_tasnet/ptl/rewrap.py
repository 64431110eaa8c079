"""Agreement of `DistributedDataParallel` with what is trained.

It notes at construction which parameters require a gradient, and waits for each of them in every backward pass. So it
is made anew whenever that changes; it then copies parameters and buffers of the first process to the others, too.
"""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.strategies import DDPStrategy


def renew_optimizers(trainer: pl.Trainer) -> None:
    """Make the optimisers anew, and DDP before them, after parameters were frozen, released or given another meaning.

    All processes must call.
    """
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy) and strategy.model is not strategy.lightning_module:
        strategy.model = strategy.lightning_module  # drops the old wrapper, whose hooks go with it
        strategy.configure_ddp()
    strategy.setup_optimizers(trainer)
