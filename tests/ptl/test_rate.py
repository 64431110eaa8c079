"""Rate coding in windows against one long simulation written out here, and against the ANN it stands for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.ptl import simulate_rate
from spiking_tasnet.snn import ConvertibleLayer, convert
from spiking_tasnet.snn.fold import folded_weights


@pytest.fixture
def network():
    """A small analog CNN in float64, its batch norms with statistics of their own."""
    torch.manual_seed(0)
    layers = [
        ConvertibleLayer(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)),
        nn.Dropout(0.3),
        ConvertibleLayer(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)),
        nn.Flatten(),
        ConvertibleLayer(nn.Linear(6 * 9, 12)),
        ConvertibleLayer(nn.Linear(12, 5), readout=True, rectify=False),
    ]
    for layer in layers:
        if isinstance(layer, ConvertibleLayer) and layer.norm is not None:
            layer.norm.running_mean.normal_(0, 0.2)
            layer.norm.running_var.uniform_(0.3, 1)
    return nn.Sequential(*layers).double().eval()


X = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def reference(network, x, num_steps, percentile):
    """Rate coding [26, 27] of an analog network as one dense simulation: outputs after each step, counts, ranges."""
    ann = [layer for layer in network if isinstance(layer, ConvertibleLayer)]
    weights = [
        (layer.operator.weight, layer.operator.bias)
        if layer.norm is None
        else folded_weights(layer.operator, layer.norm)
        for layer in ann
    ]
    apply = [
        lambda x, w, b: F.conv2d(x, w, b, padding=1),
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        lambda x, w, b: F.linear(x.flatten(1), w, b),
        lambda x, w, b: F.linear(x, w, b),
    ]
    ranges, activation = [], x
    for operate, (w, b) in zip(apply[:-1], weights[:-1], strict=True):
        activation = F.relu(operate(activation, w, b))
        values = activation.flatten().sort().values
        ranges.append(values[-(-int(percentile * 10) * len(values) // 1000) - 1])  # nearest rank

    membranes, fired, outputs = [0.0] * 3, [0.0] * 3, []
    for step in range(1, num_steps + 1):
        drive = x  # a constant current into the first layer
        for place, range_ in enumerate(ranges):
            membranes[place] = membranes[place] + apply[place](drive, *weights[place])  # the bias flows whole
            spikes = (membranes[place] >= range_).double()
            membranes[place] = membranes[place] - range_ * spikes  # reset by subtraction
            fired[place] = fired[place] + spikes
            drive = range_ * spikes
        outputs.append(apply[-1](ranges[-1] * fired[-1] / step, *weights[-1]))
    return outputs, fired, ranges


@pytest.mark.parametrize("num_steps", [1, 31, 32, 33, 100])
def test_windows_equal_one_long_simulation(network, num_steps):
    with torch.no_grad():
        expected, fired, ranges = reference(network, X, num_steps, 99.0)
        convert(network, lambda: network(X), method="rate", percentile=99.0, num_steps=32)
        seen, values = [], []
        handle = network[4].register_forward_hook(lambda _, __, spikes: values.append(spikes.value))
        for done, output in simulate_rate(network, X, num_steps):
            seen.append(done)
            torch.testing.assert_close(output, expected[done - 1])
        handle.remove()
    assert seen == [*range(32, num_steps, 32), num_steps]
    # the value after n steps is lambda x count / n, count over all windows
    torch.testing.assert_close(values[-1], ranges[-1] * fired[-1] / num_steps)


def test_many_steps_approach_the_ann_and_only_counting_remains(network):
    with torch.no_grad():
        ann = network(X)
        convert(network, lambda: network(X), method="rate", percentile=100.0, num_steps=32)
        errors = {done: (output - ann).abs().max().item() for done, output in simulate_rate(network, X, 2048)}
    # A count is off by a bounded number of spikes, so the error falls as 1 / n.
    assert errors[2048] < 0.005 * ann.abs().max()
    assert errors[2048] < errors[512] / 2 and errors[512] < errors[64] / 4


def test_a_simulation_leaves_nothing_behind(network):
    with torch.no_grad():
        convert(network, lambda: network(X), method="rate", num_steps=16)
    first = [output for _, output in simulate_rate(network, X, 80)]
    list(simulate_rate(network, X[:2], 40))  # another batch size between
    next(iter(simulate_rate(network, X, 80)))  # and one that is not read to its end
    again = [output for _, output in simulate_rate(network, X, 80)]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    layers = [layer for layer in network if isinstance(layer, ConvertibleLayer) and layer.role == "rate"]
    assert all((layer.num_steps, layer.window) == (16, None) for layer in layers)


def test_an_ann_is_refused(network):
    with pytest.raises(ValueError, match="no rate-coded layer found: convert the network with method='rate' first"):
        next(simulate_rate(network, X, 10))
