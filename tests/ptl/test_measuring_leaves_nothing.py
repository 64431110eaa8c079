"""Thresholds are measured on a copy: counters, lists, metrics and hooks of the module see the training only."""

import threading

import pytest
import torch
import torchmetrics
from tiny_training import Classifier, data, fit, mlp, trainer
from torch.utils.data import Dataset

from spiking_tasnet.ptl import EndToEnd, ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.ptl.copies import isolated_copy
from spiking_tasnet.snn import ConversionSettings, convertible_layers

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2)


class Impure(Classifier):
    """A `training_step` with side effects, as users write them."""

    def __init__(self, network):
        super().__init__(network)
        self.accuracy = torchmetrics.Accuracy("multiclass", num_classes=3)
        self.register_buffer("steps", torch.zeros(()))
        self.losses, self.lock = [], threading.Lock()  # a lock cannot be copied

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)
        self.steps += 1
        with self.lock:
            self.losses.append(loss.item())
        self.accuracy(self.network(batch[0]), batch[1])
        self.log("train_accuracy", self.accuracy, on_epoch=True, on_step=False)
        return loss


@pytest.mark.parametrize(
    "callback", [ProgressiveTandemLearning(CONFIG), EndToEnd(ConversionSettings(num_steps=8, folded=False))]
)
def test_counters_lists_and_metrics_see_the_training_only(callback):
    updates = []

    class Counted(Impure):
        def on_train_epoch_end(self):
            updates.append(self.accuracy._update_count)

    torch.manual_seed(0)
    module = Counted(mlp())
    run = fit(module, (4,), [callback], 6)
    assert all(layer.is_converted for layer in convertible_layers(module).values())
    assert module.steps == run.global_step == len(module.losses)
    assert set(updates) == {5}


class Large(Dataset):
    def __deepcopy__(self, memo):
        raise AssertionError("a data set was copied")


def test_data_sets_are_shared_and_what_cannot_be_copied_at_all_is_named():
    module = Impure(mlp())
    module.kept = {"train": Large()}
    module.trainer = trainer([])
    copied = isolated_copy(module)
    assert copied.kept["train"] is module.kept["train"] and copied.lock is module.lock
    assert copied.losses is not module.losses and copied.trainer is module.trainer
    copied.log("a", 1.0), copied.log_dict({"a": torchmetrics.SumMetric()})
    copied.network[0].weight.data.zero_()
    assert module.network[0].weight.any()

    class Refuses(torch.nn.Module):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    module.part = Refuses()
    with pytest.raises(ValueError, match=r"the module cannot be copied \(no copies\)"):
        isolated_copy(module)


def test_a_failure_in_the_last_layer_leaves_the_network_as_it_was():
    module = Classifier(mlp())
    module.network[1].norm.bias.data.fill_(-100)
    before = {key: value.clone() for key, value in module.state_dict().items() if hasattr(value, "clone")}
    with pytest.raises(ValueError, match="layer 'network.1' is dead"):
        trainer([ProgressiveTandemLearning(CONFIG)]).fit(module, data((4,), 0), data((4,), 1))
    assert not any(layer.is_converted for layer in convertible_layers(module).values())
    for key, value in module.state_dict().items():
        assert not hasattr(value, "clone") or torch.equal(value, before[key]), key
