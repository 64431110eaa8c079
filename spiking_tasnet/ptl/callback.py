"""Progressive tandem learning (Algorithm 1) as a Lightning callback."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from spiking_tasnet.ptl.batches import RunBatch, run_training_batches
from spiking_tasnet.ptl.checkpoints import forget_best
from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.ptl.copies import isolated_copy
from spiking_tasnet.ptl.followers import Followers
from spiking_tasnet.ptl.freeze import below, freeze, hold
from spiking_tasnet.ptl.frozen_cache import FrozenCache
from spiking_tasnet.ptl.ranks import agreed_means, all_or_none, order_statistic_over_ranks
from spiking_tasnet.ptl.refusals import check_network, check_steps, check_trainer
from spiking_tasnet.ptl.rewrap import renew_optimizers
from spiking_tasnet.ptl.schedule import JOINT, Patience, StageRecord, stage_column
from spiking_tasnet.ptl.stage_rate import Rate, keep_initial_rates, linear_fall, scale_rates, set_rates
from spiking_tasnet.ptl.trained_thresholds import TrainedThresholds
from spiking_tasnet.ptl.validation import validate
from spiking_tasnet.snn.compose import convertible_layers, evaluating, execution_order
from spiking_tasnet.snn.conversion import convert_measured, measure_layer
from spiking_tasnet.snn.rehearsal import rehearsed
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

    Parameters that do not require a gradient when `fit` begins keep their values, in the joint stage too. Thresholds
    are buffers, and parameters only while `config.train_thresholds` trains them.

    Losses are those of Lightning's own validation. Thresholds are measured on a copy of the module, with batches of a
    loader of its own, so neither leaves anything behind. With several processes all numbers that decide are means over
    them, and a threshold is the percentile of what all of them measured.

    One deviation from Algorithm 1: the state right after conversion counts as a state of the stage, so a stage never
    ends worse than it began.

    Args:
        config: N_s, T_p, percentile and the like.
        monitor: name of the logged validation loss that decides on patience and on the best state; lower is better.
        recorded: name of the logged loss that `records` hold for each stage; None for `monitor`.
        rate: the learning rate inside a stage, as a factor of the one it begins with; None leaves it to the module, or
            to `linear_fall` where `config.anneal` asks for it.
        network: name of the submodule to convert, where the module holds others; what lies outside is not frozen.
            ``""`` for the module itself. None for that as well, but copies of one network are refused.
        run_batch: called with the module and a batch to run the network on it, for the thresholds; None for the
            module's `training_step`. Manual optimisation needs it.

    Attributes:
        records: one `StageRecord` per stage, the running one last.

    Raises:
        ValueError: at fit start, when the module holds no convertible layer, or with settings, callbacks or a module
            beside which stages cannot be right (see `refusals`).
    """

    def __init__(
        self,
        config: PTLConfig | None = None,
        monitor: str = "val_loss",
        *,
        recorded: str | None = None,
        rate: Rate | None = None,
        network: str | None = None,
        run_batch: RunBatch | None = None,
    ):
        self.config = config or PTLConfig()
        self.monitor, self.recorded = monitor, recorded or monitor
        self.rate = rate or (linear_fall if self.config.anneal else None)
        self.network, self.run_batch = network, run_batch
        self.records: list[StageRecord] = []
        self.patience = Patience(self.config.patience)
        self.running = False
        self._best: dict[str, Any] | None = None
        self._order: list[str] = []
        self._convertible: set[str] = set()
        self._trainable: list[str] | None = None  # names of the parameters that the user has not frozen
        self._cache = FrozenCache(self.config.cache_mib * 2**20)
        self._followers = Followers()
        self._thresholds: TrainedThresholds | None = None

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
        """Refuse what cannot be right; continue the stage of a checkpoint."""
        check_trainer(trainer)
        check_steps(pl_module, runs_batches=self.run_batch is not None)
        check_network(pl_module, self.network)
        layers = convertible_layers(pl_module)
        self._convertible = {name for name in layers if self._in_network(name)}
        if not self._convertible:
            raise ValueError("no convertible layer found: compose ConvertibleLayer, or call make_convertible first")
        if any(record.role != JOINT and not layers[record.layer].is_converted for record in self.records):
            raise ValueError(
                "stages of another network found in the callback: make a ProgressiveTandemLearning for each network"
            )
        for name in self._convertible:
            layers[name].clip_saturated_gradient = self.config.clip_saturated_gradient
        if self.running:
            self._keep_frozen(pl_module, self.records[-1])
        if self.finished:
            trainer.should_stop = True

    def _in_network(self, name: str) -> bool:
        return not self.network or name == self.network or name.startswith(f"{self.network}.")

    def _find_order(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Find the order in which the network runs its layers, and refuse what lies between them in its way."""
        with all_or_none(trainer, "running the network"):
            copied = isolated_copy(module)
            with execution_order(copied) as order, evaluating(copied), rehearsed(copied) as rehearsal:
                run_training_batches(trainer, copied, 1, self.run_batch)
            rehearsal.check()
        self._order = trainer.strategy.broadcast([name for name in order if self._in_network(name)])
        if not self._layers:
            raise ValueError("no convertible layer is run by the network: call them in forward")

    def _keep_frozen(self, module: pl.LightningModule, record: StageRecord) -> None:
        """Simulate the layers below that of the stage once per item."""
        frozen = set(frozen_in(self._order, record, module))
        layers = convertible_layers(module)
        self._cache.attach([layers[name] for name in self._layers if name in frozen])

    def _freeze(self, module: pl.LightningModule, record: StageRecord) -> None:
        """Freeze what lies below the stage, and what the user has frozen: loading a state releases batch norms."""
        freeze(module, frozen_in(self._order, record, module))
        hold(module, self._trainable)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the next stage if the last one is over; hold everything below in eval mode."""
        if not self.records:
            self._find_order(trainer, pl_module)
        if not self.running and not self.finished:
            joint = len(self.records) == len(self._layers)
            self._begin_joint_stage(trainer, pl_module) if joint else self._begin_stage(trainer, pl_module)
        self._freeze(pl_module, self.records[-1])
        self._followers.note(pl_module, self._convertible)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rate, where it is the callback's."""
        if batch_idx:
            self._followers.check(pl_module)
        if self.rate and self.running:
            record = self.records[-1]
            epochs = record.epochs + batch_idx / trainer.num_training_batches
            set_rates(trainer, self.rate(epochs, self._longest(record)))
        if self._thresholds:
            self._thresholds.note()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Limit the step of the thresholds, where they are trained."""
        if self._thresholds:
            self._thresholds.limit()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Update the patience counter; end the stage when it is exhausted."""
        self._followers.check(pl_module)
        if not self.running:
            return
        logged = trainer.callback_metrics
        losses = agreed_means(trainer, {name: logged.get(name) for name in self._names})
        loss, shown = losses[self.monitor], losses[self.recorded]
        if loss is None or shown is None:
            name = self.monitor if loss is None else self.recorded
            raise ValueError(f"{name!r} was not logged in this epoch: validate every epoch and log it")
        record = self.records[-1]
        record.epochs += 1
        if self.patience.update(loss):
            self._best = copied_state(pl_module)
            record.val_loss_best = shown
        longest = self._longest(record)
        if (self.patience.exhausted and record.role != JOINT) or (longest and record.epochs >= longest):
            self._end_stage(trainer, pl_module)

    def _longest(self, record: StageRecord) -> int:
        """Epochs that a stage may take; 0 for no limit."""
        return self.config.joint_epochs if record.role == JOINT else self.config.max_epochs_per_stage

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Warn if the trainer stopped before the conversion was complete."""
        self._release()
        if not self.finished and not trainer.interrupted:
            logger.warning(
                "training ended in stage %d of %d: the network is converted in part; raise max_epochs and resume",
                len(self.records),
                self._n_stages,
            )

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Release the layers from the cache, and from an optimiser of their thresholds."""
        self._release()

    def _release(self) -> None:
        self._cache.detach()
        if self._thresholds:
            self._thresholds.end()
            self._thresholds = None

    def _begin_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        name, config = self._layers[len(self.records)], self.config
        before = self.records[-1].val_loss_best if self.records else self._validate(trainer, module)[self.recorded]
        act_max = self._convert(trainer, module, name)
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

    def _convert(self, trainer: pl.Trainer, module: pl.LightningModule, name: str) -> Tensor | None:
        """Measure a layer on a copy of the module, then convert that of the module."""
        settings, batches = self.config.settings(), self.config.threshold_batches
        with all_or_none(trainer, f"measuring the threshold of layer {name!r}"):
            copied = isolated_copy(module)
            measured = measure_layer(
                copied, name, lambda: run_training_batches(trainer, copied, batches, self.run_batch), settings
            )
        before = {key for key, _ in module.named_parameters(remove_duplicate=False)}
        act_max, _ = convert_measured(module, name, measured, settings, order_statistic_over_ranks(trainer))
        after = module.named_parameters(remove_duplicate=False)  # a computed weight is a parameter now
        self._trainable = [
            *(self._trainable or ()),
            *(key for key, value in after if key not in before and value.requires_grad),
        ]
        return act_max

    def _begin_joint_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        loss, layers = self.records[-1].val_loss_best, convertible_layers(module)
        for name in self._layers:
            layers[name].operator.requires_grad_(True)  # what the user has frozen is frozen again right after
        if self.config.train_thresholds:
            trained = list(self._trainable or ())
            self._trainable = trained + TrainedThresholds(module).names(trained)
            self._train_thresholds(module, self._trainable)
        self._begin(trainer, module, StageRecord(len(self.records) + 1, "all", JOINT, 0.0, 0.0, loss, math.nan))
        if self.config.joint_lr:
            scale_rates(trainer, self.config.joint_lr)
        logger.info("PTL stage %d of %d: all converted layers together", len(self.records), self._n_stages)

    def _train_thresholds(self, module: pl.LightningModule, names: list[str]) -> None:
        self._thresholds = TrainedThresholds(module)
        self._thresholds.begin(names)

    def _begin(self, trainer: pl.Trainer, module: pl.LightningModule, record: StageRecord) -> None:
        self._freeze(module, record)  # first: a price is on the spikes of what is trained
        self._keep_frozen(module, record)
        measured = record.role != JOINT or self.monitor != self.recorded
        losses = self._validate(trainer, module) if measured else {self.recorded: record.val_loss_before}
        record.val_loss_converted = record.val_loss_best = losses[self.recorded]
        self.records.append(record)
        self.patience = Patience(self.config.patience)
        self.patience.update(losses[self.monitor])
        self._best = copied_state(module)
        self.running = True
        renew_optimizers(trainer)
        forget_best(trainer)
        if self.rate or self.config.joint_lr:
            keep_initial_rates(trainer)

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys((self.monitor, self.recorded)))

    def _validate(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        return validate(trainer, module, self._names)

    def _end_stage(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert self._best is not None
        self._cache.detach()
        module.load_state_dict(self._best, strict=module.strict_loading)
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
        """Freeze, and make parameters of thresholds, before the optimisers are made: theirs match the checkpoint's."""
        state = checkpoint["callbacks"].get(self.state_key)
        if state and state["records"]:
            if self.config.train_thresholds and state["records"][-1]["role"] == JOINT:
                self._train_thresholds(pl_module, state["trainable"])
            freeze(pl_module, frozen_in(state["order"], StageRecord(**state["records"][-1]), pl_module))
            hold(pl_module, state.get("trainable"))


def frozen_in(order: list[str], record: StageRecord, module: pl.LightningModule) -> list[str]:
    """Names of the modules that stay as they are in a stage: all that run before what it trains."""
    if record.role != JOINT:
        return below(order, record.layer)
    layers = convertible_layers(module)
    first = next(name for name in order if name in layers)
    return below(order, first)
