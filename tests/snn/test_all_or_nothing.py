"""A conversion that fails leaves the network as it was: weights, norms, roles, thresholds, modes and modules."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from spiking_tasnet.snn import (
    Constraints,
    ConvertibleLayer,
    convert,
    convert_layer,
    convertible_layers,
    make_convertible,
)
from spiking_tasnet.snn.settings import ConversionSettings

BATCH = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))


def five_layers():
    """Five layers with batch norms; the third computes its weight, the second is pruned."""
    torch.manual_seed(0)
    operators = [nn.Linear(8, 8) for _ in range(5)]
    parametrizations.weight_norm(operators[2])
    prune.l1_unstructured(operators[1], "weight", 0.25)
    network = nn.Sequential(*(ConvertibleLayer(each, nn.BatchNorm1d(8)) for each in operators), nn.Linear(8, 2))
    for _ in range(5):
        network(BATCH)
    return network


def state(network):
    tensors = {name: values.clone() for name, values in network.state_dict().items() if torch.is_tensor(values)}
    settings = {name: layer.settings for name, layer in convertible_layers(network).items()}
    return tensors, settings, {name: module.training for name, module in network.named_modules()}


def check_untouched(network, before, parameters):
    tensors, settings, modes = state(network)
    assert tensors.keys() == before[0].keys()
    assert all(torch.equal(values, before[0][name]) for name, values in tensors.items())
    assert (settings, modes) == before[1:]
    now = dict(network.named_parameters())
    assert now.keys() == parameters.keys() and all(now[name] is parameters[name] for name in now)  # an optimiser's
    assert all(parameter.requires_grad for parameter in now.values())


def kill(network, place):
    layer = network[place]
    layer.norm.weight.data.zero_()
    layer.norm.bias.data.fill_(-9)


@pytest.mark.parametrize("method", ["tandem", "rate", "surrogate"])
@pytest.mark.parametrize("training", [True, False])
def test_the_fifth_layer_is_dead(method, training):
    network = five_layers().eval()
    kill(network, 4)
    expected = network(BATCH)
    network.train(training)
    before, parameters = state(network), dict(network.named_parameters())
    with pytest.raises(ValueError, match="layer '4' is dead"):
        convert(network, lambda: network(BATCH), method=method)
    check_untouched(network, before, parameters)
    assert torch.equal(network.eval()(BATCH), expected)


def test_what_the_message_advises_works_afterwards():
    network = five_layers().eval()
    kill(network, 4)
    with pytest.raises(ValueError, match="raise the percentile or train the ANN longer"):
        convert(network, lambda: network(BATCH))
    network[4].norm.reset_parameters()
    for _ in range(3):
        network.train()(BATCH)
    network.eval()
    expected = network(BATCH)
    convert(network, lambda: network(BATCH), percentile=100)
    assert (network(BATCH) - expected).norm() < 0.6 * expected.norm()
    assert [layer.role for layer in convertible_layers(network).values()] == ["encoding", *4 * ["spiking"]]


def test_an_interrupt_restores_too():
    network, calls = five_layers().eval(), []

    def run():
        calls.append(network(BATCH))
        if len(calls) == 4:
            raise KeyboardInterrupt

    before, parameters = state(network), dict(network.named_parameters())
    with pytest.raises(KeyboardInterrupt):
        convert(network, run)
    check_untouched(network, before, parameters)


def test_a_norm_without_statistics_is_found_before_its_layer_is_written_to():
    network = five_layers().eval()
    network[3].norm = nn.BatchNorm1d(8, track_running_stats=False)
    before, parameters = state(network), dict(network.named_parameters())
    with pytest.raises(ValueError, match="batch norm without running statistics found"):
        convert(network, lambda: network(BATCH))
    check_untouched(network, before, parameters)


def test_one_layer_whose_integers_do_not_fit_stays_analog():
    torch.manual_seed(0)
    layers = ConvertibleLayer(nn.Linear(8, 4200)), ConvertibleLayer(nn.Linear(4200, 4)), nn.Linear(4, 2)
    network = nn.Sequential(*layers)
    network[1].operator.weight.data.fill_(-0.01)
    network[1].operator.weight.data[:, ::2] = 0.01
    settings = ConversionSettings(num_steps=32, constraints=Constraints(weight_bits=8))
    convert_layer(network, "0", lambda: network(BATCH), settings)
    before, parameters = state(network), dict(network.named_parameters())
    with pytest.raises(
        ValueError, match="layer '1': a membrane potential that can leave 32 bits found: .*lower weight_bits"
    ):
        convert_layer(network, "1", lambda: network(BATCH), settings)
    check_untouched(network, before, parameters)


def test_handles_of_hooks_on_operators_still_work_after_a_restoration():
    network, calls = five_layers().eval(), []
    handle = network[0].operator.register_forward_hook(lambda *_: calls.append(1))
    kill(network, 4)
    with pytest.raises(ValueError, match="is dead"):
        convert(network, lambda: network(BATCH))
    calls.clear()
    network(BATCH)
    assert len(calls) == 1
    handle.remove()
    network(BATCH)
    assert len(calls) == 1


@pytest.mark.parametrize("bias", [True, False])
def test_make_convertible_changes_nothing_before_it_refuses(bias):
    layers = [nn.Conv1d(2, 8, 3, bias=bias), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3)]
    network = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    before, names = list(network), list(network.state_dict())
    with pytest.raises(ValueError, match="3: MaxPool1d reads counts"):
        make_convertible(network)
    assert list(network) == before and list(network.state_dict()) == names


@pytest.mark.parametrize("bias", [True, False])
def test_make_convertible_with_a_run_changes_nothing_before_it_refuses(bias):
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv1d(2, 8, 3, bias=bias), nn.BatchNorm1d(8), nn.ReLU())
            self.second = nn.Sequential(nn.Conv1d(8, 8, 3), nn.ReLU())

        def forward(self, x):
            return self.second(nn.functional.max_pool1d(self.first(x), 2))

    network, x = Pooled(), torch.randn(3, 2, 16)
    before, names = list(network.modules()), list(network.state_dict())
    modes = [module.training for module in network.modules()]
    with pytest.raises(ValueError, match="layer 'second.0' is given a tensor though layers below it spike"):
        make_convertible(network, run=lambda: network(x))
    assert list(network.modules()) == before and list(network.state_dict()) == names
    assert [module.training for module in network.modules()] == modes
