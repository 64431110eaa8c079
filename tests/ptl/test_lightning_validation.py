"""Losses are those of Lightning's own validation: metric objects, limits and several loaders count as they do there."""

import pytest
import pytorch_lightning as pl
import torch
import torchmetrics
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from tiny_training import Classifier, data, fit, mlp, trainer
from torch.utils.data import DataLoader, IterableDataset

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2)


class Metrics(Classifier):
    """Logs a metric object, and one number for the whole epoch that only its end knows."""

    def __init__(self, network):
        super().__init__(network)
        self.accuracy = torchmetrics.Accuracy("multiclass", num_classes=3)
        self.items, self.counts = 0, []

    def validation_step(self, batch, index):
        super().validation_step(batch, index)
        self.accuracy(self.network(batch[0]), batch[1])
        self.items += len(batch[0])
        self.log("val_accuracy", self.accuracy)

    def on_validation_epoch_end(self):
        self.counts.append(self.items)
        self.items = 0
        self.log("val_items", float(self.counts[-1]))


def test_metric_objects_and_the_end_of_the_epoch_are_lightnings():
    torch.manual_seed(0)
    module, ptl = Metrics(mlp()), ProgressiveTandemLearning(CONFIG, recorded="val_items")
    run = fit(module, (4,), [ptl])
    assert ptl.finished and set(module.counts) == {160}
    assert {record.val_loss_converted for record in ptl.records} == {160.0}
    # One validation before the first stage, one after each conversion, one after each epoch.
    assert len(module.counts) == 3 + run.current_epoch
    exact = trainer([], 1).validate(module, data((4,), 1), verbose=False)[0]
    assert exact["val_accuracy"] == pytest.approx(run.callback_metrics["val_accuracy"].item(), abs=0.2)


def test_the_loss_after_a_conversion_is_what_validate_gives():
    class Stop(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            raise KeyboardInterrupt

    torch.manual_seed(0)
    module, ptl = Classifier(mlp()), ProgressiveTandemLearning(CONFIG)
    with pytest.raises(SystemExit):
        fit(module, (4,), [ptl, Stop()])
    assert module.network[1].is_spiking
    expected = trainer([]).validate(module, data((4,), 1), verbose=False)[0]["val_loss"]
    assert ptl.records[0].val_loss_converted == pytest.approx(expected, rel=1e-6)


class Endless(IterableDataset):
    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        while True:
            yield torch.randn(4, generator=generator), torch.tensor(1)


def limited(loader, **limits):
    torch.manual_seed(0)
    module, ptl = Metrics(mlp()), ProgressiveTandemLearning(CONFIG)
    run = pl.Trainer(
        max_epochs=8,
        callbacks=[ptl],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **limits,
    )
    run.fit(module, data((4,), 0), loader)
    return module, ptl


def test_limits_hold_for_every_validation():
    module, ptl = limited(data((4,), 1), limit_val_batches=2)
    assert ptl.finished and set(module.counts) == {64}  # the sanity check has two batches as well
    module, ptl = limited(DataLoader(Endless(), 8), limit_val_batches=3, num_sanity_val_steps=0)
    assert ptl.finished and set(module.counts) == {24}
    module, _ = limited(data((4,), 1), fast_dev_run=True)
    assert set(module.counts) == {32}
    with pytest.raises(ValueError, match="an endless validation set found: set limit_val_batches"):
        limited(DataLoader(Endless(), 8), num_sanity_val_steps=0)
    with pytest.raises(ValueError, match="no validation data found"):
        limited(data((4,), 1), limit_val_batches=0)


class TwoSets(Classifier):
    def validation_step(self, batch, index, dataloader_idx=0):
        super().validation_step(batch, index)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


def test_one_of_several_validation_sets_is_named_as_lightning_names_it():
    loaders = [data((4,), 1), data((4,), 2)]
    for index in (0, 1):
        torch.manual_seed(0)
        module = TwoSets(mlp())
        before = trainer([]).validate(module, loaders, verbose=False)[index][f"val_loss/dataloader_idx_{index}"]
        ptl = ProgressiveTandemLearning(CONFIG, f"val_loss/dataloader_idx_{index}")
        trainer([ptl]).fit(module, data((4,), 0), loaders)
        assert ptl.finished and ptl.records[0].val_loss_before == pytest.approx(before, rel=1e-6)
    with pytest.raises(ValueError, match="logs val_loss/dataloader_idx_0, val_loss/dataloader_idx_1, 'val_loss' exp"):
        trainer([ProgressiveTandemLearning(CONFIG)]).fit(TwoSets(mlp()), data((4,), 0), loaders)


def test_a_measurement_leaves_no_row_in_a_log_and_no_metric(tmp_path):
    seen = []

    class Look(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            loop = trainer.fit_loop.epoch_loop.val_loop
            seen.append((dict(trainer.callback_metrics), trainer.training, loop.batch_progress.total.ready))

    torch.manual_seed(0)
    logger = CSVLogger(tmp_path)
    callbacks = [ProgressiveTandemLearning(CONFIG), LearningRateMonitor(), Look()]
    run = trainer(callbacks, max_epochs=12, logger=logger, log_every_n_steps=1)
    run.fit(Classifier(mlp()), data((4,), 0), data((4,), 1))
    assert list(seen[0][0]) == ["lr-Adam"] and seen[0][1:] == (True, 0)
    rows = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text().splitlines()
    place = rows[0].split(",").index("val_loss")
    assert sum(bool(row.split(",")[place]) for row in rows[1:]) == run.current_epoch
