"""Trainings by progressive tandem learning on two gloo processes of a CPU, each forked from this clean one.

    python two_processes.py FOLDER

Every process leaves `CASE.RANK.pt` in FOLDER: records, state, or the error that it met.
"""

import contextlib
import sys
from datetime import timedelta
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.multiprocessing import ProcessRaisedException
from torch.utils.data import DataLoader, TensorDataset

from spiking_tasnet.ptl import EndToEnd, ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import ConversionSettings, ConvertibleLayer
from spiking_tasnet.training.sampler import EpochSampler

ITEMS, BATCH = 96, 24


class Keyed(TensorDataset):
    def __getitem__(self, key):
        return super().__getitem__(key[1])


def items():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(ITEMS, 4, generator=generator)
    return Keyed(x, (x @ torch.randn(4, 3, generator=generator)).argmax(1))


class Module(pl.LightningModule):
    """Logs the loss of its own part of the data only: without `sync_dist`, as most modules do."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Linear(4, 16), ConvertibleLayer(nn.Linear(16, 24)), ConvertibleLayer(nn.Linear(24, 16)), nn.Linear(16, 3)
        )

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD([value for value in self.parameters() if value.requires_grad], lr=0.1)


class Disagreeing(Module):
    """The first process gains in every epoch, the second loses twice as much."""

    def validation_step(self, batch, index):
        epoch = float(self.current_epoch)
        self.log("val_loss", -epoch if self.global_rank == 0 else 2 * epoch)


class FailsInOne(Module):
    def training_step(self, batch, index):
        if self.global_rank == 1 and not torch.is_grad_enabled():
            raise ValueError("only this process meets it")
        return super().training_step(batch, index)


class Leave(pl.Callback):
    """Write what this process ended with."""

    def __init__(self, ptl, case, folder):
        self.ptl, self.case, self.folder = ptl, case, folder

    def write(self, trainer, **found):
        torch.save(found, self.folder / f"{self.case}.{trainer.global_rank}.pt")

    def on_train_end(self, trainer, pl_module):
        state = {key: value for key, value in pl_module.state_dict().items() if hasattr(value, "shape")}
        self.write(trainer, records=[vars(record) for record in self.ptl.records], state=state)


class Told(ProgressiveTandemLearning):
    """Writes the error that a process meets, and lets the other one do so before the processes are ended."""

    def on_train_epoch_start(self, trainer, pl_module):
        try:
            super().on_train_epoch_start(trainer, pl_module)
        except Exception as error:
            leave = next(callback for callback in trainer.callbacks if isinstance(callback, Leave))
            leave.write(trainer, error=f"{type(error).__name__}: {error}")
            trainer.strategy.barrier()
            raise


def run(case, folder, module, processes=2, **settings):
    ptl = Told(PTLConfig(num_steps=8, max_epochs_per_stage=4, **settings))
    fit([ptl, Leave(ptl, case, folder)], module, processes, max_epochs=20)


def run_end_to_end(case, folder, processes=2):
    method = EndToEnd(ConversionSettings(num_steps=8, percentile=99))
    fit([method, Leave(ProgressiveTandemLearning(), case, folder)], Module(), processes, max_epochs=2)


def fit(callbacks, module, processes, max_epochs):
    strategy = DDPStrategy(start_method="fork", process_group_backend="gloo", timeout=timedelta(seconds=30))
    trainer = pl.Trainer(
        max_epochs=max_epochs,
        callbacks=callbacks,
        accelerator="cpu",
        devices=processes,
        strategy=strategy if processes > 1 else "auto",
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loaders = [
        DataLoader(items(), BATCH // processes, sampler=EpochSampler(ITEMS, shuffle=way)) for way in (True, False)
    ]
    trainer.fit(module, *loaders)


def main(folder):
    joint = {"joint_epochs": 2, "channel_wise": True, "train_thresholds": True}
    run("two", folder, Module(), patience=2, **joint)
    run_end_to_end("both", folder)
    run("disagree", folder, Disagreeing(), patience=2)
    with contextlib.suppress(ProcessRaisedException):
        run("fail", folder, FailsInOne(), patience=2)
    # In this process, so after all that are forked: autograd does not survive a fork.
    run("one", folder, Module(), processes=1, patience=2, **joint)
    run_end_to_end("alone", folder, processes=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
