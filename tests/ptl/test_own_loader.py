"""Batches for thresholds come from a loader of the callback's own; the training reads its own to the end."""

import pytorch_lightning as pl
import torch
from tiny_training import Classifier, data, mlp, trainer
from torch.utils.data import DataLoader, TensorDataset

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.ptl.batches import own_loader

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2, threshold_batches=3)


class OneIterator(DataLoader):
    """As torch's loader with persistent workers: a second reader makes the first one begin again."""

    def __iter__(self):
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator


class Counted(Classifier):
    """Counts what is trained and validated; forgets it at each epoch, as Lightning's examples do."""

    def on_train_epoch_start(self):
        self.trained, self.validated = [], []
        self.train()

    def training_step(self, batch):
        loss = super().training_step(batch, 0)
        self.trained.append(len(batch[0]))
        return loss

    def validation_step(self, batch, index):
        super().validation_step(batch, index)
        if self.trainer.fit_loop.epoch_loop.batch_progress.current.ready:
            self.validated.append(len(batch[0]))

    def on_train_epoch_end(self):
        assert self.trained == [32] * 5 and self.validated == [32] * 5


def test_every_epoch_trains_and_validates_all_batches():
    torch.manual_seed(0)
    items = data((4,), 0).dataset
    loaders = [OneIterator(items, batch_size=32, shuffle=shuffle) for shuffle in (True, False)]
    module, ptl = Counted(mlp()), ProgressiveTandemLearning(CONFIG)
    trainer([ptl]).fit(module, *loaders)
    assert ptl.finished


def test_a_copy_of_a_loader_with_persistent_workers_shares_no_iterator():
    loader = DataLoader(TensorDataset(torch.zeros(8)), 2, num_workers=1, persistent_workers=True)
    loader._iterator = object()  # stands for the processes that an epoch reads
    own = own_loader(loader)
    assert own._iterator is None and not own.persistent_workers and loader.persistent_workers
    assert own.dataset is loader.dataset and own.batch_sampler is loader.batch_sampler and own.num_workers == 1
    assert own_loader("any iterable") == "any iterable"


def test_the_users_generator_is_where_it_was():
    def shuffled(*callbacks):
        torch.manual_seed(0)
        generator, orders = torch.Generator().manual_seed(1), []

        class Order(Classifier):
            def on_train_batch_start(self, batch, index):
                if self.trainer.current_epoch == 0 and "log" not in vars(self):  # not the copy
                    orders.append(batch[1])

        items = data((4,), 0).dataset
        trainer(list(callbacks), 1).fit(
            Order(mlp()), DataLoader(items, 32, shuffle=True, generator=generator), data((4,), 1)
        )
        return torch.cat(orders)

    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=1))
    assert torch.equal(shuffled(), shuffled(ptl))


class Joined(pl.LightningModule):
    """Two loaders at once, and a transfer of its own."""

    def __init__(self):
        super().__init__()
        self.network = mlp()

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return {name: [part.to(device) for part in pair] for name, pair in batch.items()}

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return [torch.cat(parts) for parts in zip(*batch.values(), strict=True)] if "a" in batch else batch["v"]

    def training_step(self, batch, index):
        assert len(batch[0]) == 64
        return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


def test_several_training_loaders_and_the_hooks_of_the_transfer():
    torch.manual_seed(0)
    ptl = ProgressiveTandemLearning(CONFIG)
    loaders = {"a": data((4,), 0, shuffle=True), "b": data((4,), 3, shuffle=True)}
    validation = DataLoader(data((4,), 1).dataset, 32, collate_fn=named)
    trainer([ptl]).fit(Joined(), loaders, validation)
    assert ptl.finished


def named(items):
    return {"v": [torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])]}
