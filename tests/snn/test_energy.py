"""Synaptic operations against a brute-force count of every spike's fan-out; totals by hand."""

from itertools import product

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import ConvertibleLayer, Spikes, SpikingSettings, convert, record_cost
from spiking_tasnet.snn.energy import (
    AC_JOULE,
    ENERGY_SOURCE,
    MAC_JOULE,
    LayerCost,
    dense_macs,
    spikes_per_neuron,
    total_cost,
)
from spiking_tasnet.snn.words import pack

CASES = {
    "linear": (nn.Linear(6, 5), (2, 6)),
    "linear over frames": (nn.Linear(6, 5), (2, 3, 6)),
    "conv1d dilated": (nn.Conv1d(4, 5, 3, padding=4, dilation=4), (2, 4, 11)),
    "conv1d strided": (nn.Conv1d(4, 6, 4, stride=3, padding=1), (2, 4, 12)),
    "conv1d grouped": (nn.Conv1d(4, 6, 3, padding=1, groups=2), (2, 4, 9)),
    "conv1d padded past the input": (nn.Conv1d(2, 3, 3, padding=5, dilation=2), (1, 2, 4)),
    "conv1d valid, stride beyond the kernel": (nn.Conv1d(2, 3, 2, stride=3), (2, 2, 10)),
    "conv1d same": (nn.Conv1d(2, 3, 4, padding="same"), (2, 2, 7)),
    "conv2d strided": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (1, 2, 6, 7)),
    "conv2d depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4), (2, 4, 5, 6)),
    "conv2d uneven": (nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 1)), (1, 2, 6, 7)),
}


def taps(operator, in_shape, out_shape):
    """Every (input, output) pair of neurons of one item that a synapse joins: loops over outputs and kernel taps."""
    if isinstance(operator, nn.Linear):
        for place in product(*(range(length) for length in in_shape[:-1])):
            for source, target in product(range(operator.in_features), range(operator.out_features)):
                yield (*place, source), (*place, target)
        return
    spatial = range(len(in_shape) - 1)
    padding = [
        operator.dilation[axis] * (operator.kernel_size[axis] - 1) // 2
        if operator.padding == "same"
        else operator.padding[axis]
        for axis in spatial
    ]
    in_chan, out_chan = (chan // operator.groups for chan in (operator.in_channels, operator.out_channels))
    for target in product(*(range(length) for length in out_shape)):
        group = target[0] // out_chan
        for tap in product(*(range(length) for length in operator.kernel_size)):
            place = [
                target[axis + 1] * operator.stride[axis] + tap[axis] * operator.dilation[axis] - padding[axis]
                for axis in spatial
            ]
            if all(0 <= place[axis] < in_shape[axis + 1] for axis in spatial):  # a padded tap reads silence
                for chan in range(in_chan):
                    yield (group * in_chan + chan, *place), target


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_synops_and_macs_equal_brute_force(case):
    operator, shape = CASES[case]
    steps = 8
    train = torch.rand(steps, *shape, generator=torch.Generator().manual_seed(0)) < 0.4
    spikes = Spikes(train.sum(0).float(), pack(train), torch.ones(1), steps)
    layer = ConvertibleLayer(operator)
    layer.convert(SpikingSettings("spiking", num_steps=steps), torch.tensor([8.0]))
    network = nn.Sequential(layer)
    with record_cost(network) as costs, torch.no_grad():
        out = network(spikes)
    cost = costs["0"]

    joined = list(taps(operator, shape[1:], out.shape[1:]))
    reach = {}
    for source, _ in joined:
        reach[source] = reach.get(source, 0) + 1
    fired = train.nonzero().tolist()  # (step, item, neuron) of each spike
    assert cost.synops == sum(reach.get(tuple(neuron), 0) for _, _, *neuron in fired)
    assert cost.macs == len(joined) * shape[0] == dense_macs(operator, torch.Size(shape))
    assert cost.spikes_in == len(fired)
    assert cost.spikes_out == out.train.sum().item()
    assert cost.neurons == out.shape.numel()
    assert cost.neuron_updates == out.shape.numel() * steps


def test_transposed_convolution_macs():
    decoder = nn.ConvTranspose1d(3, 1, 4, stride=2, bias=False)
    assert dense_macs(decoder, torch.Size((2, 3, 10))) == 2 * 3 * 10 * 4


def test_totals_by_hand():
    costs = {
        "first": LayerCost("encoding", macs=1000.0, spikes_out=60.0, neurons=20.0, neuron_updates=160.0),
        "second": LayerCost("spiking", 4000.0, 900.0, 60.0, 30.0, 10.0, 80.0, driven=True),
        "third": LayerCost("readout", 500.0, 150.0, 30.0, neurons=5.0, driven=True),
        "head": LayerCost("analog", macs=50.0, neurons=5.0),
    }
    found = total_cost(costs, 2)
    total = found["total"]
    assert (total["ann_macs"], total["snn_macs"], total["driven_macs"]) == (2775, 525, 2250)
    assert total["synops"] == 525 and total["synops_ratio"] == pytest.approx(1050 / 4500)
    assert total["neuron_updates"] == 120 and total["power_proxy"] == 525 + 10 * 120
    assert total["ann_energy_j"] == pytest.approx(2775 * 4.6e-12)
    assert total["snn_energy_j"] == pytest.approx(525 * 4.6e-12 + 525 * 0.9e-12)
    assert total["energy_ratio"] == pytest.approx((525 * 4.6 + 525 * 0.9) / (2775 * 4.6))
    assert (found["mac_joule"], found["ac_joule"], found["source"]) == (MAC_JOULE, AC_JOULE, ENERGY_SOURCE)
    rates = {layer["layer"]: (layer["spikes_per_neuron"], layer["firing_rate"]) for layer in found["layers"]}
    assert rates == {"first": (3, 3 / 8), "second": (3, 3 / 8), "third": (0, 0), "head": (0, 0)}
    assert [layer["synops"] for layer in found["layers"]] == [0, 450, 75, 0]


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        ConvertibleLayer(nn.Linear(6, 8)),
        ConvertibleLayer(nn.Linear(8, 5)),
        ConvertibleLayer(nn.Linear(5, 3), readout=True, rectify=False),
    )


def test_the_mean_of_spikes_is_over_the_neurons_that_spike():
    analog = LayerCost("analog", neurons=1000)
    layers = [LayerCost("spiking", spikes_out=n, neurons=10, neuron_updates=80) for n in (1, 4)]
    assert spikes_per_neuron([analog]) is None and spikes_per_neuron([]) is None
    assert spikes_per_neuron([analog, *layers, LayerCost("spiking", neurons=5, neuron_updates=40)]) == 5 / 25


def test_an_ann_costs_its_macs_and_no_synops():
    network = small()
    with record_cost(network) as costs, torch.no_grad():
        network(torch.rand(4, 6))
    total = total_cost(costs, 4)["total"]
    assert total["ann_macs"] == total["snn_macs"] == 6 * 8 + 8 * 5 + 5 * 3
    assert total["synops"] == total["neuron_updates"] == total["synops_ratio"] == 0
    assert total["energy_ratio"] == 1


@pytest.mark.parametrize("method", ["tandem", "surrogate", "rate"])
def test_layers_behind_spikes_are_driven_by_them_even_in_silence(method):
    network, x = small(), torch.rand(4, 6)
    convert(network, lambda: network(x), method=method, num_steps=8)
    with record_cost(network) as costs, torch.no_grad():
        network(x)
    synops = {name: cost.synops for name, cost in costs.items()}
    assert synops["0"] == 0 and synops["1"] == costs["0"].spikes_out * 5 and synops["2"] == costs["1"].spikes_out * 3
    assert total_cost(costs, 4)["total"]["driven_macs"] == 8 * 5 + 5 * 3
    network[0].operator.bias.data.fill_(-100)
    for layer in network:
        layer.reset()
    with record_cost(network) as costs, torch.no_grad():
        network(x)
    assert costs["1"].synops == 0
    assert total_cost(costs, 4)["total"]["driven_macs"] == 8 * 5 + 5 * 3
