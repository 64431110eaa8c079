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


def test_what_lies_between_two_layers_is_refused_at_the_start_of_a_fit():
    def network():
        layers = (
            ConvertibleLayer(nn.Linear(4, 16)),
            nn.Softplus(),
            ConvertibleLayer(nn.Linear(16, 16)),
            nn.Linear(16, 3),
        )
        return nn.Sequential(*layers)

    module = pretrained(network, (4,), epochs=1)
    before = {name: values.clone() for name, values in module.state_dict().items() if torch.is_tensor(values)}
    with pytest.raises(ValueError, match="layer 'network.2' is given a tensor .*Softplus 'network.1' reads counts"):
        fit(module, (4,), [ProgressiveTandemLearning(PTLConfig(num_steps=8))])
    after = module.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())


@pytest.mark.parametrize("norm", ["parametrized", "pruned"])
def test_baked_layers_train_in_the_joint_stage_too(norm):
    def network():
        layers = [ConvertibleLayer(NORMS[norm](nn.Linear(size, 16))) for size in (4, 16)]
        return nn.Sequential(*layers, nn.Linear(16, 3))

    module = pretrained(network, (4,))
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=1, joint_epochs=1))
    fit(module, (4,), [ptl])
    assert ptl.finished and ptl.records[-1].layer == "all"
    assert all(layer.operator.weight.requires_grad for layer in convertible_layers(module).values())
