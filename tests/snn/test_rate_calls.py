"""A plain call of a rate-coded network starts afresh; only `simulate_rate` goes on from window to window."""

import pytest
import torch
from torch import nn

from spiking_tasnet.ptl import simulate_rate
from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers, make_convertible


def converted(num_steps=32):
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 3, 1)]
    network, batches = nn.Sequential(*layers), list(torch.randn(4, 6, 2, 16))
    with torch.no_grad():
        expected = [network(batch) for batch in batches]
        make_convertible(network)
        convert(network, lambda: network(torch.cat(batches)), method="rate", num_steps=num_steps, percentile=100)
    return network, batches, expected


def error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@torch.no_grad()
def test_one_batch_after_the_other_and_a_smaller_last_one():
    network, batches, expected = converted()
    alone = network(batches[3])
    for batch, wanted in zip(batches, expected, strict=True):
        assert error(network(batch), wanted) < 0.1  # 0.10, 0.79, 0.85, 0.97 where membranes were left
    assert torch.equal(network(batches[3]), alone)
    assert torch.equal(network(batches[3][:2]), alone[:2])


@torch.no_grad()
def test_any_number_of_steps():
    errors = []
    for num_steps in (8, 33, 256):
        network, batches, expected = converted(num_steps)
        found = network(batches[0])
        errors.append(error(found, expected[0]))
        *_, (done, output) = simulate_rate(network, batches[0], num_steps)
        assert done == num_steps
        torch.testing.assert_close(output, found)
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_a_layer_that_is_called_twice_has_no_membrane_to_go_on_from():
    torch.manual_seed(0)
    block = ConvertibleLayer(nn.Linear(8, 8))
    network = nn.Sequential(ConvertibleLayer(nn.Linear(8, 8)), block, block, nn.Linear(8, 2))
    x = torch.randn(10, 8)
    with torch.no_grad():
        expected = network(x)
        convert(network, lambda: network(x), method="rate", num_steps=64, percentile=100)
        assert error(network(x), expected) < 0.2
        with pytest.raises(ValueError, match="that the network calls more than once"):
            list(simulate_rate(network, x, 64))
    assert all((layer.continues, layer.window) == (False, None) for layer in convertible_layers(network).values())
