"""A module that stands in several places is one layer; what cannot be one is refused before anything is written."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers, export_network, make_convertible
from spiking_tasnet.snn.export import read_export
from spiking_tasnet.snn.fold import folded_weights

BATCH = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(1))


def warmed(network, x=BATCH):
    for _ in range(10):
        network(3 * torch.randn_like(x) + 1)
    return network.eval()


def conv(inputs=8):
    return nn.Conv1d(inputs, 8, 3, padding=1)


def first():
    return conv(2), nn.ReLU()


def error_of(network, x, **settings):
    with torch.no_grad():
        expected = network(x)
        make_convertible(network)
        assert torch.allclose(network(x), expected, atol=1e-5)
        convert(network, lambda: network(x), **{"num_steps": 32, "percentile": 100} | settings)
        return ((network(x) - expected).norm() / expected.norm()).item()


def test_a_block_that_stands_twice_is_folded_once():
    torch.manual_seed(0)
    block = nn.Sequential(conv(), nn.BatchNorm1d(8), nn.ReLU())
    network = warmed(nn.Sequential(*first(), block, block, nn.Conv1d(8, 3, 1)))
    weight, _ = folded_weights(block[0], block[1])
    assert error_of(network, BATCH) < 0.3  # 6.0 where it was folded twice
    assert list(layers := convertible_layers(network)) == ["0", "2.0"]
    assert torch.equal(layers["2.0"].operator.weight, weight)


def test_a_layer_that_forward_calls_twice_is_folded_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoding = ConvertibleLayer(nn.Linear(8, 8))
            self.repeated = ConvertibleLayer(nn.Linear(8, 8), nn.BatchNorm1d(8))
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.repeated(self.repeated(self.encoding(x))))

    torch.manual_seed(0)
    x = torch.randn(40, 8)
    network = warmed(Twice(), x)
    weight, bias = folded_weights(network.repeated.operator, network.repeated.norm)
    assert error_of(network, x) < 0.5
    assert torch.equal(network.repeated.operator.weight, weight)
    assert torch.equal(network.repeated.operator.bias, bias)


def test_one_convolution_with_two_batch_norms_is_refused_before_it_is_touched():
    torch.manual_seed(0)
    shared = conv()
    layers = *first(), shared, nn.BatchNorm1d(8), nn.ReLU(), shared, nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 3, 1)
    network = warmed(nn.Sequential(*layers))
    with pytest.raises(ValueError, match="2: one module with 5, and a batch norm folded into it would change both"):
        make_convertible(network)
    assert list(network) == list(layers)


def test_one_convolution_in_two_layers_with_norms_is_refused():
    shared = nn.Linear(8, 8)
    layers = [ConvertibleLayer(shared, nn.BatchNorm1d(8)) for _ in range(2)]
    network = nn.Sequential(ConvertibleLayer(nn.Linear(8, 8)), *layers, nn.Linear(8, 3)).eval()
    weight = shared.weight.detach().clone()
    with pytest.raises(ValueError, match=r"1.operator.weight and 2.operator.weight are one parameter"):
        convert(network, lambda: network(torch.randn(20, 8)))
    assert torch.equal(shared.weight, weight) and not any(layer.is_converted for layer in layers)


def test_an_operator_that_is_also_called_outside_its_layer_is_refused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = ConvertibleLayer(nn.Linear(8, 8), nn.BatchNorm1d(8))
            self.head = self.layer.operator

        def forward(self, x):
            return self.head(self.layer(x))

    network = Tied().eval()
    with pytest.raises(ValueError, match=r"layer.operator.weight and head.weight are one parameter"):
        convert(network, lambda: network(torch.randn(20, 8)))


def test_one_convolution_without_norms_is_two_layers_with_thresholds_of_their_own():
    torch.manual_seed(0)
    shared = conv()
    network = nn.Sequential(*first(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Conv1d(8, 3, 1)).eval()
    assert error_of(network, BATCH) < 0.15
    layers = convertible_layers(network)
    assert layers["2"].operator is layers["4"].operator
    assert not torch.equal(layers["2"].threshold, layers["4"].threshold)


def test_one_batch_norm_behind_two_convolutions_is_folded_into_both():
    torch.manual_seed(0)
    norm, x = nn.BatchNorm1d(8), torch.randn(40, 8)
    layers = [ConvertibleLayer(nn.Linear(8, 8), norm) for _ in range(2)]
    network = warmed(nn.Sequential(ConvertibleLayer(nn.Linear(8, 8)), *layers, nn.Linear(8, 3)), x)
    assert error_of(network, x) < 0.3


def test_a_block_that_encodes_and_is_driven_by_its_own_spikes_is_refused():
    block = ConvertibleLayer(nn.Linear(8, 8))
    network = nn.Sequential(block, block, nn.Linear(8, 3))
    with pytest.raises(ValueError, match="layer '0' is given a tensor at one call and spikes at another"):
        convert(network, lambda: network(torch.randn(20, 8)))
    assert not block.is_converted


def test_an_export_has_a_layer_for_each_place(tmp_path):
    torch.manual_seed(0)
    block = nn.Sequential(conv(), nn.ReLU())
    network = nn.Sequential(*first(), block, block, nn.Conv1d(8, 3, 1))
    error_of(network, BATCH)
    export_network(network, tmp_path / "net.npz")
    layers = read_export(tmp_path / "net.npz")
    assert list(layers) == ["0", "2.0", "3.0"]
    assert (layers["2.0"]["weight"] == layers["3.0"]["weight"]).all()
    # What drives them differs: the encoding layer's spikes, and their own.
    assert layers["2.0"]["input_amplitude"] == layers["0"]["threshold"][:1]
    assert layers["3.0"]["input_amplitude"] == layers["2.0"]["threshold"][:1]


def test_a_sequence_with_a_forward_of_its_own_is_left_alone(tmp_path):
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    torch.manual_seed(0)
    block = Residual(conv(), nn.ReLU())
    network = nn.Sequential(*first(), block, nn.Conv1d(8, 3, 1))
    reports = make_convertible(network)
    assert [type(module) for module in block] == [nn.Conv1d, nn.ReLU]
    assert {report.name: report.outcome for report in reports}["2.0"] == "analog"
    convert(network, lambda: network(BATCH))
    assert isinstance(network[1], Residual)
