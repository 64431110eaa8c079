"""The network against PyTorch's own convolutions in both layouts; residual connections against what they fold into."""

import copy

import pytest
import torch
from torch import nn

from spiking_tasnet.separation import network as network_module
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.frames import overlap_add
from spiking_tasnet.separation.network import TasNet, keeps_channels_last
from spiking_tasnet.separation.residual import add_residuals, fold_residuals, residual_layers, unfold_residuals
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


def plain(network, mixture, residual=False):
    """The network by PyTorch's own convolutions, written out."""
    functional, config = nn.functional, network.config
    encoded = torch.relu(functional.conv1d(network.pad(mixture)[:, None], network.encoder.weight, stride=config.stride))
    centred = encoded - encoded.mean(1, keepdim=True)
    x = centred / (centred.square().mean(1, keepdim=True) + network.norm.eps).sqrt()
    x = x * network.norm.gain + network.norm.bias
    for layer in network.separator:
        value = layer.norm(layer.operator(x))
        x = torch.relu(value + x if residual and layer in residual_layers(network) else value)
    masks = torch.sigmoid(functional.conv1d(x, network.mask.weight, network.mask.bias))
    masked = masks.unflatten(1, (config.n_src, config.n_filters)) * encoded[:, None]
    est = functional.conv_transpose1d(masked.flatten(0, 1), network.decoder.weight, stride=config.stride)
    return est.view(len(mixture), config.n_src, -1)[..., : mixture.shape[-1]]


@pytest.fixture(params=[False, True], ids=["plain layout", "channels last"])
def layout(request, monkeypatch):
    monkeypatch.setattr(network_module, "keeps_channels_last", lambda x: request.param)


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("time", [8, 121, 400])
def test_same_estimates_gradients_and_statistics(network, training, time, residual):
    network.double().train(training)
    other = copy.deepcopy(network)
    if residual:
        add_residuals(network)
    mixture = torch.randn(2, time, dtype=torch.float64)
    found, expected = network(mixture), plain(other, mixture, residual)
    torch.testing.assert_close(found, expected)
    weighting = torch.randn_like(expected)
    (found * weighting).sum().backward()
    (expected * weighting).sum().backward()
    for (name, one), two in zip(network.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-9, rtol=1e-6, msg=name)
    for (name, one), two in zip(network.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(one, two, msg=name)


def test_in_bfloat16_it_is_as_near_as_plain_convolutions(network):
    mixture = torch.randn(2, 400)
    expected = plain(network, mixture)
    with torch.autocast("cpu", torch.bfloat16):
        error = (network(mixture) - expected).norm() / expected.norm()
        reference = (plain(network, mixture) - expected).norm() / expected.norm()
    assert error < 1.5 * reference + 1e-3


def test_the_layout_follows_what_is_fast():
    x = torch.zeros(1, 4, 5)
    with torch.no_grad():
        assert keeps_channels_last(x)
    assert not keeps_channels_last(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert keeps_channels_last(x)


@pytest.mark.usefixtures("layout")
@torch.no_grad()
def test_a_spiking_network_fires_the_same_spikes_in_both_layouts(monkeypatch):
    network, mixture = lively(CONFIGS["small"]), torch.randn(2, 400)
    convert(network, lambda: network(mixture), num_steps=8, v_init=0.5)
    found = network(mixture)
    monkeypatch.setattr(network_module, "keeps_channels_last", lambda x: False)
    assert (found - network(mixture)).norm() < 1e-3 * found.norm()


def test_folded_residuals_are_the_plain_network(network):
    mixture = torch.randn(2, 400)
    add_residuals(network)
    expected = network(mixture)
    fold_residuals(network)
    assert not any(layer.shortcut for layer in network.separator)
    torch.testing.assert_close(network(mixture), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(plain(network, mixture), expected, atol=1e-5, rtol=1e-4)


def test_layers_of_other_width_are_not_residual():
    uneven = lively(CONFIGS["uneven"])
    assert residual_layers(uneven) == [uneven.separator[2]]
    assert len(residual_layers(lively(CONFIGS["small"]))) == 3


def test_a_folded_network_converts_as_any_other_and_an_unfolded_one_is_refused():
    network, mixture = lively(CONFIGS["small"]), torch.randn(4, 400)
    add_residuals(network)
    expected = network(mixture)
    with pytest.raises(ValueError, match="call fold_shortcut first"):
        convert(unfolded := copy.deepcopy(network), lambda: unfolded(mixture), num_steps=32)
    fold_residuals(network)
    convert(network, lambda: network(mixture), num_steps=32, v_init=0.5)
    with torch.no_grad():
        assert (network(mixture) - expected).norm() < 0.2 * expected.norm()


@pytest.mark.parametrize(("kernel_size", "stride"), [(8, 4), (7, 3), (5, 5), (4, 1)])
def test_overlap_add_is_the_transposed_convolution(kernel_size, stride):
    frames, basis = torch.randn(2, 6, 9), torch.randn(6, 1, kernel_size)
    expected = nn.functional.conv_transpose1d(frames, basis, stride=stride)[:, 0]
    pieces = frames.transpose(1, 2) @ basis[:, 0]
    torch.testing.assert_close(overlap_add(pieces, stride), expected)
    assert torch.equal(overlap_add(pieces.clone().requires_grad_(), stride).detach(), overlap_add(pieces, stride))


def test_unfolding_undoes_folding_and_changes_nothing(network):
    mixture = torch.randn(4, 400)
    add_residuals(network)
    fold_residuals(network)
    expected = network(mixture)
    unfold_residuals(network, lambda: network(mixture))
    for layer in residual_layers(network):
        assert layer.shortcut
        assert layer.operator.weight.square().mean().sqrt().item() == pytest.approx(0.5, rel=1e-3)
    torch.testing.assert_close(network(mixture), expected, atol=1e-4, rtol=1e-3)
    # In training the unfolded norms see the statistics that they were given; other layers see the batch's.
    assert (network.train()(mixture) - expected).norm() < 0.1 * expected.norm()
    fold_residuals(network.eval())
    assert (plain(network, mixture) - expected).norm() < 0.1 * expected.norm()
