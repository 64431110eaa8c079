"""The training path against the network itself, and residual connections against the plain network they fold into."""

import copy

import pytest
import torch
from torch import nn

from spiking_tasnet.separation.channels_last import overlap_add, separate_channels_last
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.residual import fold_residuals, residual_layers
from spiking_tasnet.snn import convert

CONFIGS = {
    "small": ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=8, stride=4, n_blocks=3),
    "uneven": ModelConfig(
        n_filters=12, bn_chan=6, hid_chan=8, kernel_size=7, stride=3, n_blocks=2, n_src=3, conv_kernel_size=5
    ),
    "no overlap": ModelConfig(n_filters=12, bn_chan=8, hid_chan=8, kernel_size=5, stride=5, n_blocks=2),
}


def lively(config, seed=0):
    """A network whose batch norms have statistics, gains and biases that matter."""
    torch.manual_seed(seed)
    network = TasNet(config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    network.train()
    for _ in range(30):
        network(torch.randn(3, 400))
    return network.eval()


@pytest.fixture(params=CONFIGS)
def network(request):
    return lively(CONFIGS[request.param])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("time", [8, 121, 400])
def test_same_estimates_gradients_and_statistics(network, training, time):
    network.double()
    other = copy.deepcopy(network)
    mixture = torch.randn(2, time, dtype=torch.float64)
    expected = network.train(training)(mixture)
    found = separate_channels_last(other.train(training), mixture)
    torch.testing.assert_close(found, expected)
    weighting = torch.randn_like(expected)
    (expected * weighting).sum().backward()
    (found * weighting).sum().backward()
    for (name, one), two in zip(network.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, atol=1e-9, rtol=1e-6, msg=name)
    for (name, one), two in zip(network.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(two, one, msg=name)


def test_in_bfloat16_it_is_as_near_as_the_network(network):
    mixture = torch.randn(2, 400)
    expected = network(mixture)
    with torch.autocast("cpu", torch.bfloat16):
        error = (separate_channels_last(network, mixture) - expected).norm() / expected.norm()
        reference = (network(mixture) - expected).norm() / expected.norm()
    assert error < 1.5 * reference + 1e-3


def test_a_residual_layer_adds_its_input():
    network = lively(CONFIGS["small"])
    mixture = torch.randn(2, 400)
    x = network.norm(torch.relu(network.encoder(network.pad(mixture)[:, None])))
    for layer in network.separator:
        value = layer.norm(layer.operator(x))
        x = torch.relu(value + x) if layer in residual_layers(network) else torch.relu(value)
    masks = torch.sigmoid(network.mask(x)).unflatten(1, (2, 16))
    encoded = torch.relu(network.encoder(network.pad(mixture)[:, None]))
    expected = network.decoder((masks * encoded[:, None]).flatten(0, 1)).view(2, 2, -1)
    torch.testing.assert_close(separate_channels_last(network, mixture, residual=True), expected, atol=1e-5, rtol=1e-4)


def test_folded_residuals_are_the_plain_network(network):
    mixture = torch.randn(2, 400)
    expected = separate_channels_last(network, mixture, residual=True)
    assert (network(mixture) - expected).abs().max() > 1e-3
    fold_residuals(network)
    torch.testing.assert_close(network(mixture), expected, atol=1e-5, rtol=1e-4)


def test_layers_of_other_width_are_not_residual():
    uneven = lively(CONFIGS["uneven"])
    assert residual_layers(uneven) == [uneven.separator[2]]
    assert len(residual_layers(lively(CONFIGS["small"]))) == 3


def test_a_folded_network_converts_as_any_other():
    network = lively(CONFIGS["small"])
    fold_residuals(network)
    mixture = torch.randn(4, 400)
    expected = network(mixture)
    convert(network, lambda: network(mixture), num_steps=32, v_init=0.5)
    with torch.no_grad():
        assert (network(mixture) - expected).norm() < 0.2 * expected.norm()


def test_a_spiking_network_is_refused():
    network = lively(CONFIGS["small"])
    convert(network, lambda: network(torch.randn(1, 400)), num_steps=8)
    with pytest.raises(ValueError, match="spiking layers found, an analog one expected"):
        separate_channels_last(network, torch.randn(1, 400))


@pytest.mark.parametrize(("kernel_size", "stride"), [(8, 4), (7, 3), (5, 5), (4, 1)])
def test_overlap_add_is_the_transposed_convolution(kernel_size, stride):
    frames, basis = torch.randn(2, 6, 9), torch.randn(6, 1, kernel_size)
    expected = nn.functional.conv_transpose1d(frames, basis, stride=stride)[:, 0]
    torch.testing.assert_close(overlap_add(frames.transpose(1, 2) @ basis[:, 0], stride), expected)
