"""Baselines that train all layers at once (Wu et al., 2019; Neftci, Mostafa and Zenke, 2019)."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import nn

from spiking_tasnet.ptl.batches import RunBatch, run_training_batches
from spiking_tasnet.ptl.copies import isolated_copy
from spiking_tasnet.ptl.ranks import all_or_none, order_statistic_over_ranks
from spiking_tasnet.ptl.refusals import check_devices, check_steps
from spiking_tasnet.ptl.rewrap import renew_optimizers
from spiking_tasnet.snn import ConversionSettings, ConvertibleLayer, convert, convertible_layers
from spiking_tasnet.snn.computed import make_plain
from spiking_tasnet.snn.fold import BATCH_NORMS


class EndToEnd(pl.Callback):
    """Make every layer of a LightningModule's network spike before the first epoch; train them together.

    With `settings.method` ``tandem`` that is tandem learning: counts forward, the coupled analog layers' gradient
    backward through the whole network. With ``surrogate`` it is backpropagation through time with a rectangular window,
    with IF neurons, or LIF ones where `settings.decay` < 1. With ``folded=False`` batch norms stay live, which training
    from scratch needs; thresholds are then measured after the norms have seen some batches.

    Args:
        settings: how the layers spike.
        batches: random training batches that the thresholds are measured over.
        run_batch: called with the module and a batch to run the network on it, for the thresholds; None for the
            module's `training_step`. Manual optimisation needs it.

    Raises:
        ValueError: at fit start, when the module holds no convertible layer, or cannot be measured.
    """

    def __init__(self, settings: ConversionSettings, batches: int = 4, *, run_batch: RunBatch | None = None):
        self.settings, self.batches, self.run_batch = settings, batches, run_batch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Convert, unless a checkpoint was taken up that is converted already."""
        layers = convertible_layers(pl_module).values()
        if layers and all(layer.is_converted for layer in layers):
            return
        check_devices(trainer)
        check_steps(pl_module, runs_batches=self.run_batch is not None)
        copied = isolated_copy(pl_module)

        def run() -> None:
            with all_or_none(trainer, "running the network"):
                run_training_batches(trainer, copied, self.batches, self.run_batch)

        if not self.settings.folded:
            calibrate_norms(copied, run)
        convert(copied, run, self.settings, order_statistic=order_statistic_over_ranks(trainer))
        for name, part in list(pl_module.named_modules()):
            if isinstance(part, ConvertibleLayer):
                part.label = name
                if self.settings.folded:
                    make_plain(part.operator)
            if isinstance(part, (ConvertibleLayer, *BATCH_NORMS)):
                part.load_state_dict(copied.get_submodule(name).state_dict())
        renew_optimizers(trainer)


def calibrate_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Set the running statistics of every batch norm to the mean over what `run` shows the network."""
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the mean of all batches so far
    try:
        with torch.no_grad():
            run()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
