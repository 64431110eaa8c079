"""Progressive tandem learning (Algorithm 1) as a Lightning callback."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import pytorch_lightning as pl

from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.ptl.freeze import below, freeze
from spiking_tasnet.ptl.frozen_cache import FrozenCache
from spiking_tasnet.ptl.schedule import JOINT, Patience, StageRecord, stage_column
from spiking_tasnet.ptl.stage_rate import Rate, keep_initial_rates, linear_fall, scale_rates, set_rates
from spiking_tasnet.ptl.steps import run_training_batches, validate
from spiking_tasnet.snn.compose import convertible_layers, execution_order
from spiking_tasnet.snn.conversion import convert_layer, evaluating
from spiking_tasnet.training.best_state import copied_state
from spiking_tasnet.training.history import Column

logger = logging.getLogger(__name__)


class ProgressiveTandemLearning(pl.Callback):
    """Convert the network that a LightningModule trains, one layer per stage.

    Stage l, at the start of an epoch: the threshold of layer l is measured on the hybrid network in eval mode, the
    layer is converted and coupled, everything that runs before it is frozen, and the optimisers are made anew by the
    module's own `configure_optimizers`. After each epoch the patience counter is updated with the validation loss;
    when the stage is over its best state is loaded back, so that the next threshold is measured on that state. After
    the last stage, and a joint one of all converted layers where `joint_epochs` asks for it, the trainer is told to
    stop.

    Parameters that do not require a gradient when `fit` begins keep their values, in the joint stage too.

    One deviation from Algorithm 1: the state right after conversion counts as a state of the stage, so a stage never
    ends worse than it began.

    Args:
        config: N_s, T_p, percentile and the like.
        monitor: name of the logged validation loss that decides on patience and on the best state; lower is better.
        recorded: name of the logged loss that `records` hold for each stage; None for `monitor`.
        rate: the learning rate inside a stage, as a factor of the one it begins with; None leaves it to the module, or
            to `linear_fall` where `config.anneal` asks for it.

    Attributes:
        records: one `StageRecord` per stage, the running one last.

    Raises:
        ValueError: at fit start, when the module holds no convertible layer.
    """

    def __init__(
        self,
        config: PTLConfig | None = None,
        monitor: str = "val_loss",
        *,
        recorded: str | None = None,
        rate: Rate | None = None,
    ):
        self.config = config or PTLConfig()
        self.monitor, self.recorded = monitor, recorded or monitor
        self.rate = rate or (linear_fall if self.config.anneal else None)
        self.records: list[StageRecord] = []
        self.patience = Patience(self.config.patience)
        self.running = False
        self._best: dict[str, Any] | None = None
        self._order: list[str] = []
        self._convertible: set[str] = set()
        self._trainable: list[str] | None = None  # names of the parameters that the user has not frozen
        self._cache = FrozenCache(self.config.cache_mib * 2**20)

    @property
    def finished(self) -> bool:
        """Whether every layer has been converted and its stage, and the joint one, is over."""
        return bool(self._order) and not self.running and len(self.records) == self._n_stages

    @property
    def history_column(self) -> Column:
        """The stage of each epoch, for the history of the training."""
        return stage_column(lambda: len(self.records))

    @property
    def _n_stages(self) -> int:
        return len(self._layers) + (self.config.joint_epochs > 0)

    @property
    def _layers(self) -> list[str]:
        return [name for name in self._order if name in self._convertible]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note what the user has frozen, before a checkpoint freezes more."""
        if self._trainable is None:
            named = pl_module.named_parameters(remove_duplicate=False)
            self._trainable = [name for name, parameter in named if parameter.requires_grad]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the layers in the order in which the network runs them."""
        self._convertible = set(convertible_layers(pl_module))
        with execution_order(pl_module) as order, evaluating(pl_module):
            run_training_batches(trainer, pl_module, 1)
        self._order = order
        if not self._layers:
            raise ValueError("no convertible layer found: compose ConvertibleLayer, or call make_convertible first")
        for layer in convertible_layers(pl_module).values():
            layer.clip_saturated_gradient = self.config.clip_saturated_gradient
        if self.running:
            self._keep_frozen(pl_module)
        if self.finished:
            trainer.should_stop = True

    def _keep_frozen(self, module: pl.LightningModule) -> None:
        """Simulate the layers below that of the stage once per item."""
        frozen = set(frozen_in(self._order, self.records[-1], module))
        layers = convertible_layers(module)
        self._cache.attach([layers[name] for name in self._layers if name in frozen])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the next stage if the last one is over; hold everything below in eval mode."""
        if not self.running and not self.finished:
            joint = len(self.records) == len(self._layers)
            self._begin_joint_stage(trainer, pl_module) if joint else self._begin_stage(trainer, pl_module)
        freeze(pl_module, frozen_in(self._order, self.records[-1], pl_module))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rate, where it is the callback's."""
        if self.rate and self.running:
            record = self.records[-1]
            epochs = record.epochs + batch_idx / trainer.num_training_batches
            set_rates(trainer, self.rate(epochs, self._longest(record)))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Update the patience counter; end the stage when it is exhausted."""
        if not self.running:
            return
        for name in (self.monitor, self.recorded):
            if name not in trainer.callback_metrics:
                raise ValueError(f"{name!r} was not logged in this epoch: validate every epoch and log it")
        record = self.records[-1]
        record.epochs += 1
        if self.patience.update(trainer.callback_metrics[self.monitor].item()):
            self._best = copied_state(pl_module)
            record.val_loss_best = trainer.callback_metrics[self.recorded].item()
        longest = self._longest(record)
        if (self.patience.exhausted and record.role != JOINT) or (longest and record.epochs >= longest):
            self._end_stage(trainer, pl_module)

    def _longest(self, record: StageRecord) -> int:
        """Epochs that a stage may take; 0 for no limit."""
        return self.config.joint_epochs if record.role == JOINT else self.config.max_epochs_per_stage

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Warn if the trainer stopped before the conversion was complete."""
        self._cache.detach()
        if not self.finished and not trainer.interrupted:
            logger.warning(
                "training ended in stage %d of %d: the network is converted in part; raise max_epochs and resume",
                len(self.records),
                self._n_stages,
            )

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Release the layers from the cache."""
        self._cache.detach()

    def _begin_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        name, config = self._layers[len(self.records)], self.config
        before = self.records[-1].val_loss_best if self.records else self._validate(trainer, module)[self.recorded]
        act_max = convert_layer(
            module,
            name,
            lambda: run_training_batches(trainer, module, config.threshold_batches),
            config.settings(),
            reduce_over_ranks=lambda act_max: trainer.strategy.broadcast(act_max),
        )
        range_ = 0.0 if act_max is None else act_max.mean().item()
        role = convertible_layers(module)[name].role
        record = StageRecord(len(self.records) + 1, name, role, range_, range_ / config.num_steps, before, math.nan)
        self._begin(trainer, module, record)
        logger.info(
            "PTL stage %d of %d: %s becomes %s, theta %.4g; %s %.4g -> %.4g",
            record.ptl_stage,
            self._n_stages,
            name,
            role,
            record.threshold,
            self.recorded,
            before,
            record.val_loss_converted,
        )

    def _begin_joint_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        loss, trainable = self.records[-1].val_loss_best, set(self._trainable or ())
        for name, layer in convertible_layers(module).items():
            for key, parameter in layer.operator.named_parameters():
                parameter.requires_grad_(f"{name}.operator.{key}" in trainable)
        self._begin(trainer, module, StageRecord(len(self.records) + 1, "all", JOINT, 0.0, 0.0, loss, math.nan))
        if self.config.joint_lr:
            scale_rates(trainer, self.config.joint_lr)
        logger.info("PTL stage %d of %d: all converted layers together", len(self.records), self._n_stages)

    def _begin(self, trainer: pl.Trainer, module: pl.LightningModule, record: StageRecord) -> None:
        freeze(module, frozen_in(self._order, record, module))  # first: a price is on the spikes of what is trained
        measured = record.role != JOINT or self.monitor != self.recorded
        losses = self._validate(trainer, module) if measured else {self.recorded: record.val_loss_before}
        record.val_loss_converted = record.val_loss_best = losses[self.recorded]
        self.records.append(record)
        self.patience = Patience(self.config.patience)
        self.patience.update(losses[self.monitor])
        self._best = copied_state(module)
        self.running = True
        self._keep_frozen(module)
        trainer.strategy.setup_optimizers(trainer)
        if self.rate or self.config.joint_lr:
            keep_initial_rates(trainer)

    def _validate(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        return validate(trainer, module, list(dict.fromkeys((self.monitor, self.recorded))))

    def _end_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert self._best is not None
        module.load_state_dict(self._best)
        self.running, self._best = False, None
        record = self.records[-1]
        logger.info(
            "PTL stage %d over after %d epochs: %s %.4g (right after conversion %.4g)",
            record.ptl_stage,
            record.epochs,
            self.recorded,
            record.val_loss_best,
            record.val_loss_converted,
        )
        if self.finished:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs to continue in the middle of a stage: plain numbers and tensors."""
        return {
            "records": [dataclasses.asdict(record) for record in self.records],
            "patience": dataclasses.asdict(self.patience),
            "running": self.running,
            "best": self._best,
            "order": list(self._order),
            "trainable": self._trainable,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a stage from a checkpoint."""
        self.records = [StageRecord(**record) for record in state_dict["records"]]
        self.patience = Patience(**state_dict["patience"])
        self.running, self._best = state_dict["running"], state_dict["best"]
        self._order = list(state_dict["order"])
        self._trainable = state_dict.get("trainable") or self._trainable

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Freeze before the optimisers are made, so that theirs match the checkpoint's."""
        state = checkpoint["callbacks"].get(self.state_key)
        if state and state["records"]:
            freeze(pl_module, frozen_in(state["order"], StageRecord(**state["records"][-1]), pl_module))


def frozen_in(order: list[str], record: StageRecord, module: pl.LightningModule) -> list[str]:
    """Names of the modules that stay as they are in a stage: all that run before what it trains."""
    if record.role != JOINT:
        return below(order, record.layer)
    layers = convertible_layers(module)
    first = next(name for name in order if name in layers)
    return below(order, first)
