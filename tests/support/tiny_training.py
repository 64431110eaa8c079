"""A toy classification that any network of four inputs or an 8x8 image learns in seconds, as Lightning sees it."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spiking_tasnet.snn import ConvertibleLayer


def mlp():
    return nn.Sequential(
        nn.Linear(4, 16),  # an analog front end: it lies below the first converted layer
        ConvertibleLayer(nn.Linear(16, 24), nn.BatchNorm1d(24)),
        nn.Dropout(0.1),
        ConvertibleLayer(nn.Linear(24, 16), nn.BatchNorm1d(16)),
        nn.Linear(16, 3),
    )


class Classifier(pl.LightningModule):
    """An ordinary module: it knows nothing of spikes."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def training_step(self, batch, _):
        loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=5e-3)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
                "monitor": "val_loss",
            },
        }


class Manual(Classifier):
    """The same with manual optimisation and Adam alone."""

    def __init__(self, network):
        super().__init__(network)
        self.automatic_optimization = False

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = super().training_step(batch, index)
        self.manual_backward(loss)
        optimizer.step()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


def data(shape, seed, shuffle=False, size=160):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, *shape, generator=generator)
    flat = x.flatten(1)
    y = (flat @ torch.randn(flat.shape[1], 3, generator=torch.Generator().manual_seed(9))).argmax(1)
    return DataLoader(TensorDataset(x, y), batch_size=32, shuffle=shuffle)


def trainer(callbacks, max_epochs=40, **options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "num_sanity_val_steps": 0}
    return pl.Trainer(max_epochs=max_epochs, callbacks=callbacks, accelerator="cpu", **(quiet | options))


def fit(module, shape, callbacks, max_epochs=40, **kwargs):
    run = trainer(callbacks, max_epochs)
    run.fit(module, data(shape, 0, shuffle=True), data(shape, 1), **kwargs)
    return run


def pretrained(make, shape, epochs=8):
    torch.manual_seed(0)
    module = Classifier(make())
    fit(module, shape, [], epochs)
    return module


class PowerCut(pl.Callback):
    """Stop a training in the third batch of an epoch, as if the machine had gone off."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 2:
            raise RuntimeError("power cut")


def assert_same_state(module, expected):
    """Compare a module with a state that another one was left in, to the last bit."""
    state = module.state_dict()
    assert list(state) == list(expected)
    for key, value in state.items():
        assert torch.equal(value, expected[key]) if hasattr(value, "shape") else value == expected[key], key
