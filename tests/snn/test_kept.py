"""What a layer keeps while it is only used: the same spikes, and forgotten whenever the weights may change."""

import copy

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import Constraints, ConvertibleLayer, Spikes, convert, convertible_layers, keep_synapses, layers


def converted(**settings):
    torch.manual_seed(0)
    network = nn.Sequential(
        ConvertibleLayer(nn.Conv1d(6, 20, 1), nn.BatchNorm1d(20)),
        ConvertibleLayer(nn.Conv1d(20, 20, 3, padding=2, dilation=2), nn.BatchNorm1d(20)),
        ConvertibleLayer(nn.Conv1d(20, 9, 3, padding=1), readout=True),
    ).eval()
    x = torch.randn(3, 6, 40)
    convert(network, lambda: network(x), num_steps=8, **settings)
    return network, x


SETTINGS = {
    "float": {},
    "8 bits": {"constraints": Constraints(8)},
    "8 bits, thresholds per channel": {"constraints": Constraints(8, True), "channel_wise": True},
}


@torch.no_grad()
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_nothing_changes_and_nothing_is_made_twice(settings, monkeypatch):
    network, x = converted(**settings)
    expected, expected_of_one = network(x), network(x[:1])
    keep_synapses(network)
    assert torch.equal(network(x), expected)
    for name in ("neurons_behind", "constrained_weights"):
        monkeypatch.setattr(layers, name, lambda *_: pytest.fail("made again"))
    assert torch.equal(network(x), expected)
    assert torch.equal(network(x[:1]), expected_of_one)


@torch.no_grad()
@pytest.mark.parametrize("change", ["train", "load"])
def test_it_is_forgotten_when_weights_may_change(change):
    network, x = converted(constraints=Constraints(8))
    other = copy.deepcopy(network)
    for layer in convertible_layers(other).values():
        layer.operator.weight.mul_(0.5)
    keep_synapses(network)
    network(x)
    if change == "train":
        network.train()
        for layer in convertible_layers(network).values():
            layer.operator.weight.mul_(0.5)
        network.eval()
    else:
        network.load_state_dict(other.state_dict())
    assert torch.equal(network(x), other(x))


def test_it_is_not_used_where_a_gradient_is_wanted():
    network, x = converted(constraints=Constraints(8))
    keep_synapses(network)
    with torch.no_grad():
        network(x)
    network(x).sum().backward()
    assert network[1].operator.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_spikes_of_another_amplitude_are_computed_anew():
    network, _ = converted(constraints=Constraints(8), channel_wise=True)
    layer = network[1]
    code = torch.randint(0, 256, (2, 20, 15), dtype=torch.int32)
    spikes = [Spikes(None, code, torch.rand(20) + 0.5, 8) for _ in range(2)]
    expected = [layer(one).code for one in spikes]
    layer.kept = None
    keep_synapses(network)
    for one, code in zip([*spikes, *spikes], [*expected, *expected], strict=True):
        assert torch.equal(layer(one).code, code)
