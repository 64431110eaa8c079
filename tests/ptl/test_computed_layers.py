"""Progressive tandem learning of a network whose weights are computed until they are converted."""

import pytest
import torch
from tiny_training import fit, pretrained
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import ConvertibleLayer, convertible_layers

NORMS = {
    "weight_norm": weight_norm,
    "parametrized": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("norm", NORMS)
def test_each_stage_bakes_its_layer_in_and_trains_on(norm):
    def network():
        return nn.Sequential(
            ConvertibleLayer(NORMS[norm](nn.Linear(4, 24)), nn.BatchNorm1d(24)),
            ConvertibleLayer(NORMS[norm](nn.Linear(24, 16))),
            nn.Linear(16, 3),
        )

    module = pretrained(network, (4,))
    layers = convertible_layers(module).values()
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=2, max_epochs_per_stage=3))
    fit(module, (4,), [ptl])
    assert ptl.finished and [layer.role for layer in layers] == ["encoding", "spiking"]
    for record in ptl.records:
        assert record.val_loss_best <= record.val_loss_converted
    assert ptl.records[-1].val_loss_best < 0.9  # guessing gives 1.1
    for layer in layers:
        assert set(dict(layer.operator.named_parameters())) == {"weight", "bias"}
        if norm == "pruned":
            assert (layer.operator.weight == 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert torch.isfinite(module.network(torch.randn(5, 4))).all()
