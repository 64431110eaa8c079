"""Surrogate gradients through time: traces and gradients worked out by hand, live batch norms."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import ConvertibleLayer, Spikes, SpikingSettings, integrate_and_fire
from spiking_tasnet.snn.fold import folded_weights
from spiking_tasnet.snn.surrogate import surrogate_fire
from spiking_tasnet.snn.words import pack


def fire(currents, threshold, **kwargs):
    steps = [torch.tensor([current], dtype=torch.float64) for current in currents]
    return surrogate_fire(steps, torch.tensor([threshold], dtype=torch.float64), **kwargs)[:, 0].tolist()


def test_written_out_traces():
    # IF, theta 1: V before firing 0.5, 1.0 (fires, at threshold), 0.75, 1.5 (fires), 0.5
    assert fire([0.5, 0.5, 0.75, 0.75, 0.0], 1.0) == [0, 1, 0, 1, 0]
    # LIF, decay 0.5: V 0.5, 0.25 + 0.5 = 0.75, 0.375 + 0.75 = 1.125 (fires), 0.0625 + 0.75, 0.40625
    assert fire([0.5, 0.5, 0.75, 0.75, 0.0], 1.0, decay=0.5) == [0, 0, 1, 0, 0]
    # V[0] = 0.5 leaks like any other: V 0.25 + 0.75 (fires, nothing left), 0.5
    assert fire([0.75, 0.5], 1.0, v_init=0.5, decay=0.5) == [1, 0]
    assert fire([0.7, 0.5], 1.0, v_init=0.5, decay=0.5) == [0, 0]
    assert fire([0.5, 0.5], 1.0, v_init=0.5) == [1, 0]
    # What is left after a spike leaks, the threshold taken off before: V 2.5 (fires), 0.75, 1.0 (fires)
    assert fire([2.5, 0.0, 0.625], 1.0, decay=0.5) == [1, 0, 1]
    # A soft reset keeps what is above: 2.5 (fires), 1.5 (fires), 0.5
    assert fire([2.5, 0.0, 0.0], 1.0) == [1, 1, 0]


def test_without_a_leak_spikes_equal_the_if_reference():
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(40, 3, 5, generator=generator, dtype=torch.float64)
    threshold = torch.rand(5, generator=generator, dtype=torch.float64) + 0.2
    expected, _ = integrate_and_fire(currents, threshold, 0.3)
    assert torch.equal(surrogate_fire(currents, threshold, 0.3).bool(), expected)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_gradient_of_the_rectangular_window_by_hand(decay):
    # theta 2: the window is |V - 2| < 1 and 1/2 high. V[1] = 1.5, inside; s[1] = 0. V[2] = decay 1.5 + z2, made 2.5:
    # inside, s[2] = 1. The reset passes a gradient too: dV[2]/dV[1] = decay (1 - theta ds[1]/dV[1]) = 0.
    z = torch.tensor([1.5, 2.5 - decay * 1.5], requires_grad=True)
    train = surrogate_fire(z.unsqueeze(1).unbind(), torch.tensor([2.0]), decay=decay)
    assert train.flatten().tolist() == [0, 1]
    first, second = (torch.autograd.grad(spike.sum(), z, retain_graph=True)[0].tolist() for spike in train)
    assert first == [0.5, 0] and second == [0, 0.5]

    # V[1] = 0.5 lies outside: nothing through s[1], and V[2] = decay 0.5 + z2 = 2.5 hands its gradient on, times decay.
    z = torch.tensor([0.5, 2.5 - decay * 0.5], requires_grad=True)
    train = surrogate_fire(z.unsqueeze(1).unbind(), torch.tensor([2.0]), decay=decay)
    (grad,) = torch.autograd.grad(train[1].sum(), z)
    assert grad.tolist() == [0.5 * decay, 0.5]


def test_the_edge_of_the_window_lets_nothing_through():
    z = torch.tensor([1.0, 2.999, 3.0], requires_grad=True)
    train = surrogate_fire([z], torch.tensor([2.0]))
    train.sum().backward()
    assert z.grad.tolist() == [0, 0.5, 0]


def layer_of(kind, folded=False, decay=1.0, seed=0):
    torch.manual_seed(seed)
    operator, norm, shape = {
        "linear": (nn.Linear(6, 5), nn.BatchNorm1d(5), (8, 6)),
        "conv1d": (nn.Conv1d(6, 4, 3, padding=2, dilation=2, groups=2), nn.BatchNorm1d(4), (4, 6, 9)),
        "conv2d": (nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3), (4, 2, 7, 6)),
    }[kind]
    norm.weight.data.uniform_(0.5, 1.5)
    norm.bias.data.normal_()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    layer = ConvertibleLayer(operator, norm)
    layer.convert(SpikingSettings("surrogate", num_steps=8, decay=decay, folded=folded), torch.tensor([4.0]))
    return layer, torch.randn(shape)


def spikes_of(x, steps=8):
    train = torch.rand(steps, *x.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    return Spikes(None, pack(train), torch.tensor([0.7]), steps)


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize("kind", ["linear", "conv1d", "conv2d"])
def test_live_batch_norm_is_that_of_the_batch_in_training_and_the_folded_one_in_eval(kind, spiking):
    layer, x = layer_of(kind)
    x = spikes_of(x) if spiking else x
    value = x.value if spiking else x
    norm, operator = layer.norm, layer.operator
    own = [statistic.clone() for statistic in (norm.running_mean, norm.running_var)]

    layer.train()
    weight, bias = layer.effective_weights(x)
    expected = F.batch_norm(operator(value), None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
    pre = operator(value)
    effective = copy.deepcopy(operator)
    effective.weight.data, effective.bias.data = weight.detach(), bias.detach()
    torch.testing.assert_close(effective(value), expected, rtol=1e-4, atol=1e-4)

    axes = (0, *range(2, pre.dim()))  # torch's running variance is the unbiased one; momentum 0.1, once
    torch.testing.assert_close(norm.running_mean, 0.9 * own[0] + 0.1 * pre.mean(axes))
    torch.testing.assert_close(norm.running_var, 0.9 * own[1] + 0.1 * pre.var(axes))
    assert norm.num_batches_tracked == 1

    layer(x)
    assert norm.num_batches_tracked == 2  # once a call, however many branches and steps
    layer.eval()
    statistics = norm.running_mean.clone()
    layer(x)
    for found, wanted in zip(layer.effective_weights(x), folded_weights(operator, norm), strict=True):
        torch.testing.assert_close(found, wanted)
    assert torch.equal(norm.running_mean, statistics) and norm.num_batches_tracked == 2


def test_live_batch_norm_passes_the_gradient_of_torchs_own():
    layer, x = layer_of("conv1d")
    upstream = torch.randn(4, 4, 9)
    weight, bias = layer.train().effective_weights(x)
    pre = F.conv1d(x, weight, bias, padding=2, dilation=2, groups=2)
    parameters = (layer.operator.weight, layer.norm.weight, layer.norm.bias)
    found = torch.autograd.grad((pre * upstream).sum(), parameters)
    expected = torch.autograd.grad((layer.norm(layer.operator(x)) * upstream).sum(), parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decay", [1.0, 0.8])
@pytest.mark.parametrize("spiking", [False, True])
def test_layer_simulates_its_effective_weights_step_by_step(spiking, decay):
    layer, x = layer_of("conv2d", folded=True, decay=decay)
    x = spikes_of(x) if spiking else x
    weight, bias = layer.effective_weights(x)
    drives = [step * 0.7 for step in x.train] if spiking else [x / 8] * 8
    v, expected = torch.zeros(4, 3, 4, 3), []
    for drive in drives:  # theta is a_u / N_s = 0.5; a margin keeps rounding from deciding
        v = decay * v + F.conv2d(drive, weight, bias / 8, stride=2, padding=1)
        spikes = (v >= 0.5).float()
        v = v - 0.5 * spikes
        expected.append(spikes)
    with torch.no_grad():
        quiet = layer(x)
    loud = layer(x)
    assert loud.requires_grad and not quiet.requires_grad
    for found in (quiet, loud):
        assert (found.train != torch.stack(expected)).float().mean() < 0.005
    assert torch.equal(quiet.train, loud.train.detach())
    torch.testing.assert_close(loud.value.detach(), quiet.value)


def test_every_spike_of_two_layers_reaches_the_first_weights():
    first, x = layer_of("linear", folded=True)
    second = ConvertibleLayer(nn.Linear(5, 2))
    second.convert(SpikingSettings("surrogate", num_steps=8), torch.tensor([2.0]))
    second(first(x)).value.sum().backward()
    assert first.operator.weight.grad.abs().sum() > 0
    assert second.operator.weight.grad.abs().sum() > 0


def test_only_surrogate_neurons_leak():
    with pytest.raises(ValueError, match="decay 0.9 of a layer that is spiking found, 1 expected"):
        SpikingSettings("spiking", decay=0.9)
