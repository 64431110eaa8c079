"""Frozen layers are simulated once an item; nothing else changes."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.ptl.frozen_cache import FrozenCache
from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        ConvertibleLayer(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)),
        ConvertibleLayer(nn.Conv2d(6, 8, 3, stride=2)),
        nn.Flatten(),
        nn.Dropout(0.2),
        ConvertibleLayer(nn.Linear(72, 12)),
        nn.Linear(12, 3),
    )


def counting(layer, calls):
    compute = layer.run_role

    def counted(x):
        calls.append(x.shape[0])
        return compute(x)

    layer.run_role = counted


def test_a_batch_of_old_and_new_items_fires_as_without_the_cache():
    net, x = network(), torch.rand(7, 1, 8, 8)
    with torch.no_grad():
        convert(net, lambda: net(x), num_steps=8)
        net.eval()
        plain = net(x)
        layers = list(convertible_layers(net).values())[:3]
        calls = []
        counting(layers[1], calls)
        cache = FrozenCache(2**20)
        cache.attach(layers)
        for items in ([0, 1, 2], [2, 3, 0], [3, 2, 1, 0], [4, 5, 6, 0]):
            assert torch.equal(net(x[items]), plain[items])
        assert calls == [3, 1, 3]  # the third batch was known altogether
        cache.detach()
        assert torch.equal(net(x), plain) and calls[-1] == 7


def test_what_does_not_fit_is_simulated_every_time():
    net, x = network(), torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        convert(net, lambda: net(x), num_steps=8)
        layers = list(convertible_layers(net).values())[:2]
        cache = FrozenCache(2 * 4 * 8 * 3 * 3)  # two items
        cache.attach(layers)
        calls = []
        counting(layers[0], calls)
        expected = net.eval()(x)
        assert torch.equal(net(x), expected)
        assert calls == [4, 2] and cache.used <= cache.budget


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = network()

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=1e-2)


def converted(cache_mib):
    torch.manual_seed(1)
    images, labels = torch.rand(40, 1, 8, 8), torch.randint(3, (40,))
    loader = DataLoader(TensorDataset(images, labels), 10)
    module = Module()
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=2, max_epochs_per_stage=2, cache_mib=cache_mib))
    trainer = pl.Trainer(
        max_epochs=20,
        callbacks=[ptl],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    torch.manual_seed(2)
    trainer.fit(module, loader, loader)
    assert ptl.finished
    return module


def test_ptl_ends_with_the_same_weights():
    plain, kept = converted(0), converted(16)
    for (name, one), two in zip(plain.named_parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, two), name
    assert all(layer.bypass is None for layer in convertible_layers(kept).values())
