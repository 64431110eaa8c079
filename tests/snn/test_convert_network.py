"""Primitive conversion and its report; refusals."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers, make_convertible


def plain_cnn():
    return nn.Sequential(
        nn.Conv1d(1, 8, 5, padding=2),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv1d(8, 8, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 7, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Linear(16, 4),
    )


def test_a_plain_network_is_composed_unchanged_then_converted():
    torch.manual_seed(0)
    network, x = plain_cnn(), torch.randn(64, 1, 16)
    network(x)  # statistics
    network.eval()
    expected = network(x)
    reports = make_convertible(network)
    outcomes = [report.outcome for report in reports]
    assert outcomes == ["converted", "folded", "converted", "converted", "folded", "analog"]
    torch.testing.assert_close(network(x), expected)
    reports = convert(network, lambda: network(x), num_steps=32, percentile=99.9, v_init=0.5)
    assert [layer.role for layer in convertible_layers(network).values()] == ["encoding", "spiking", "spiking"]
    assert [report.outcome for report in reports].count("folded") == 2
    with torch.no_grad():
        error = (network(x) - expected).std() / expected.std()
    assert error < 0.25


def test_more_steps_come_closer_to_the_ann():
    # Beyond some 32 steps what remains is not quantisation but spikes fired early that later input cannot take back.
    errors = []
    for num_steps in (4, 32):
        torch.manual_seed(0)
        network, x = plain_cnn(), torch.randn(64, 1, 16)
        network(x)
        network.eval()
        with torch.no_grad():
            expected = network(x)
            make_convertible(network)
            convert(network, lambda n=network, x=x: n(x), num_steps=num_steps, percentile=100)
            errors.append((network(x) - expected).pow(2).mean().item())
    assert errors[0] > 4 * errors[1]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.MaxPool1d(2), "MaxPool1d reads counts"),
        (nn.ConvTranspose1d(1, 1, 3), "ConvTranspose1d is not an operator"),
        (nn.GELU(), "GELU is not ReLU"),
    ],
)
def test_what_spikes_cannot_cross_is_refused_by_name(module, reason):
    layers = nn.Conv1d(1, 1, 3), nn.ReLU(), module, nn.Conv1d(1, 1, 3), nn.ReLU()
    with pytest.raises(ValueError, match=f"2: {reason}"):
        make_convertible(nn.Sequential(*layers))
    reports = make_convertible(nn.Sequential(*layers), strict=False)
    assert [report.name for report in reports if report.outcome == "refused"] == ["2"]


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match="0: followed by Tanh, ReLU expected"):
        make_convertible(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))


def test_reading_counts_in_between_is_refused_at_conversion():
    network = nn.Sequential(ConvertibleLayer(nn.Conv1d(1, 4, 3)), nn.AvgPool1d(2), ConvertibleLayer(nn.Conv1d(4, 4, 3)))
    x = torch.randn(8, 1, 16)
    with pytest.raises(ValueError, match="layer '2' is given a tensor though layers below it spike"):
        convert(network, lambda: network(x))


def test_a_dead_layer_is_named():
    network = nn.Sequential(ConvertibleLayer(nn.Linear(2, 3)), ConvertibleLayer(nn.Linear(3, 3)))
    network[1].operator.weight.data.zero_()
    network[1].operator.bias.data.fill_(-1)
    x = torch.randn(100, 2)
    with pytest.raises(ValueError, match="layer '1' is dead: the 99.9th percentile"):
        convert(network, lambda: network(x))


def test_nothing_to_convert_is_an_error():
    network = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="no convertible layer found"):
        convert(network, lambda: network(torch.zeros(1, 2)))
