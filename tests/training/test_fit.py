"""A training that is stopped says so by its exit code, and goes on."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch
from tiny_training import Classifier, data, mlp

from spiking_tasnet.training.fit import fit


class Stop(pl.Callback):
    """Send this process a signal in the middle of an epoch, as a scheduler of jobs does when time is up."""

    def __init__(self, number, epoch):
        self.number, self.epoch = number, epoch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            os.kill(os.getpid(), self.number)


def train(out, callbacks):
    torch.manual_seed(0)
    loaders = pl.LightningDataModule()
    loaders.train_dataloader, loaders.val_dataloader = lambda: data((4,), 0), lambda: data((4,), 1)
    run = {"metrics": ["val_loss"], "describe": str, "max_epochs": 4}
    return fit(Classifier(mlp()), loaders, out, callbacks, **run)


@pytest.fixture
def interruptible():
    """Ctrl-C as Python handles it: a shell's background job, which the tests may be, ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number, end", [(signal.SIGTERM, SystemExit(143)), (signal.SIGINT, KeyboardInterrupt())])
def test_a_signal_is_no_success_and_the_next_call_goes_on(tmp_path, number, end):
    with pytest.raises(type(end)) as stopped:
        train(tmp_path, [Stop(number, 2)])
    assert stopped.value.args == end.args
    assert train(tmp_path, []).epochs == 4
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 5
