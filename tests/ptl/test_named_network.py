"""One network of several in a module is converted: it is named, and the others stay as they are."""

import copy

import pytest
import torch
from tiny_training import Classifier, fit, mlp, pretrained
from torch import nn

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import convertible_layers

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2)


class Distilled(Classifier):
    """Learns from a teacher inside the module, which runs first."""

    def __init__(self, network):
        super().__init__(network)
        self.teacher = copy.deepcopy(network).requires_grad_(False).eval()

    def training_step(self, batch, index):
        with torch.no_grad():
            wanted = self.teacher(batch[0]).softmax(1)
        return super().training_step(batch, index) + nn.functional.cross_entropy(self.network(batch[0]), wanted)


def test_a_teacher_inside_the_module_stays_analog():
    module = Distilled(pretrained(mlp, (4,)).network)
    before = {key: value.clone() for key, value in module.teacher.state_dict().items() if hasattr(value, "clone")}
    ptl = ProgressiveTandemLearning(CONFIG, network="network")
    fit(module, (4,), [ptl])
    assert ptl.finished and [record.layer for record in ptl.records] == ["network.1", "network.3"]
    assert all(layer.is_converted for layer in convertible_layers(module.network).values())
    assert not any(layer.is_converted for layer in convertible_layers(module.teacher).values())
    after = module.teacher.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items() if "num_batches" not in key)


class Followed(Distilled):
    """Its teacher is an average of the network, written by hand."""

    def on_train_batch_end(self, outputs, batch, index):
        with torch.no_grad():
            for mine, its in zip(self.teacher.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(its, 0.01)


def test_a_teacher_that_follows_the_network_is_refused_where_norms_are_folded():
    with pytest.raises(ValueError, match="'teacher.1.operator.weight' changed in a batch though nothing trains it"):
        fit(Followed(mlp()), (4,), [ProgressiveTandemLearning(CONFIG, network="network")])

    def plain():
        network = mlp()
        network[1].norm = network[3].norm = None
        return network

    ptl = ProgressiveTandemLearning(CONFIG, network="network")
    torch.manual_seed(0)
    fit(Followed(plain()), (4,), [ptl])  # without norms a weight means the same before and after
    assert ptl.finished
