"""Synaptic operations against a brute-force count of every spike's fan-out."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import ConvertibleLayer, Spikes, record_cost
from spiking_tasnet.snn.energy import dense_macs
from spiking_tasnet.snn.spikes import pack

CASES = {
    "linear": (nn.Linear(6, 5), (2, 6)),
    "conv1d dilated": (nn.Conv1d(4, 5, 3, padding=4, dilation=4), (2, 4, 11)),
    "conv1d strided": (nn.Conv1d(4, 6, 4, stride=3, padding=1), (2, 4, 12)),
    "conv1d grouped": (nn.Conv1d(4, 6, 3, padding=1, groups=2), (2, 4, 9)),
    "conv2d": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (1, 2, 6, 7)),
}


def synapses(operator, shape):
    """How many outputs each input reaches, by switching inputs on one at a time with all weights one."""
    with torch.no_grad():
        operator.weight.fill_(1.0)
        operator.bias.zero_()
        reach = torch.zeros(shape[1:])
        for index in range(reach.numel()):
            x = torch.zeros(1, reach.numel())
            x[0, index] = 1
            reach.view(-1)[index] = operator(x.view(1, *shape[1:])).sum()
    return reach


@pytest.mark.parametrize("case", CASES)
def test_synops_and_macs_equal_brute_force(case):
    operator, shape = CASES[case]
    reach = synapses(operator, shape)
    train = torch.rand(8, *shape, generator=torch.Generator().manual_seed(0)) < 0.4
    spikes = Spikes(train.sum(0).float(), pack(train), torch.ones(1), 8)
    layer = ConvertibleLayer(operator)
    layer.convert("spiking", torch.tensor([8.0]), 8)
    network = nn.Sequential(layer)
    with record_cost(network) as costs, torch.no_grad():
        out = network(spikes)
    cost = costs["0"]
    assert cost.synops == (train.sum(0) * reach).sum().item()
    assert cost.macs == reach.sum().item() * shape[0] == dense_macs(operator, torch.Size(shape))
    assert cost.spikes_in == train.sum().item()
    assert cost.spikes_out == out.counts.sum().item()
    assert cost.neuron_updates == out.shape.numel() * 8


def test_transposed_convolution_macs():
    decoder = nn.ConvTranspose1d(3, 1, 4, stride=2, bias=False)
    assert dense_macs(decoder, torch.Size((2, 3, 10))) == 2 * 3 * 10 * 4
