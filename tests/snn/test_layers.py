"""Spiking layers: against an independent simulation, Eq. 9, Eq. 13 and autograd."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import ConvertibleLayer, Spikes, SpikingSettings, integrate_and_fire
from spiking_tasnet.snn.words import pack

CASES = {
    "linear": (nn.Linear(6, 5), (3, 6)),
    "conv1d": (nn.Conv1d(6, 5, 3, padding=2, dilation=2), (2, 6, 13)),
    "conv1d strided": (nn.Conv1d(6, 5, 4, stride=3, padding=1), (2, 6, 17)),
    "conv1d grouped": (nn.Conv1d(6, 9, 3, groups=3), (2, 6, 13)),
    "conv2d": (nn.Conv2d(6, 5, 3, stride=2, padding=1), (2, 6, 8, 7)),
    "conv2d dilated grouped": (nn.Conv2d(6, 4, 3, padding=2, dilation=2, groups=2), (2, 6, 8, 7)),
}


def spikes_in(shape, num_steps=12, channel_wise=False, grad=False):
    generator = torch.Generator().manual_seed(0)
    train = torch.rand(num_steps, *shape, generator=generator, dtype=torch.float64) < 0.3
    threshold = torch.rand(shape[1], generator=generator, dtype=torch.float64) + 0.2
    threshold = threshold if channel_wise else threshold[:1]
    scale = threshold.view(-1, *(1,) * (len(shape) - 2))
    value = (train.sum(0) * scale).requires_grad_(grad)
    return train.double() * scale, Spikes(value, pack(train), threshold, num_steps)


def spiking_layer(operator, num_steps=12, **kwargs):
    layer = ConvertibleLayer(operator.double(), **kwargs).double()
    layer.convert(SpikingSettings("spiking", num_steps=num_steps), torch.tensor([3.0], dtype=torch.float64))
    return layer


@pytest.mark.parametrize("channel_wise", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_spiking_layer_equals_stepwise_operator_and_if_neurons(case, channel_wise):
    operator, shape = CASES[case]
    currents_in, spikes = spikes_in(shape, channel_wise=channel_wise)
    layer = spiking_layer(operator)
    bias = operator.bias.detach().view(-1, *(1,) * (len(shape) - 2))
    with torch.no_grad():  # Eq. 3, one step at a time: W (theta s[t]) + b / N_s
        currents = [operator(current) - bias + bias / 12 for current in currents_in]
        train, _ = integrate_and_fire(currents, torch.tensor(0.25, dtype=torch.float64))
        assert torch.equal(layer(spikes).train.bool(), train)


@pytest.mark.parametrize("case", CASES)
def test_free_aggregate_membrane_potential_is_the_sum_of_currents(case):
    operator, shape = CASES[case]
    currents_in, spikes = spikes_in(shape)
    layer = ConvertibleLayer(operator.double(), readout=True).double()
    layer.convert(SpikingSettings("readout"))
    with torch.no_grad():
        total = operator(currents_in.sum(0))
        torch.testing.assert_close(layer(spikes), torch.relu(total))


@pytest.mark.parametrize("case", CASES)
def test_tandem_gradient_is_the_analog_layers_on_counts(case):
    operator, shape = CASES[case]
    _, spikes = spikes_in(shape, grad=True)
    layer = spiking_layer(operator)
    out = layer(spikes)
    weighting = torch.randn_like(out.value)
    (out.value * weighting).sum().backward()
    found = spikes.value.grad, operator.weight.grad.clone(), operator.bias.grad.clone()
    value = spikes.value.detach().requires_grad_()
    operator.zero_grad()
    expected = torch.autograd.grad((F.relu(operator(value)) * weighting).sum(), (value, operator.weight, operator.bias))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_clipping_stops_the_gradient_where_counts_are_saturated():
    layer = ConvertibleLayer(nn.Linear(1, 1), clip_saturated_gradient=True)
    layer.operator.weight.data.fill_(1.0)
    layer.operator.bias.data.zero_()
    layer.convert(SpikingSettings("encoding", num_steps=4), torch.tensor([1.0]))
    x = torch.tensor([[0.5], [2.0]], requires_grad=True)
    layer(x).value.sum().backward()
    assert x.grad.flatten().tolist() == [1.0, 0.0]


def test_value_is_threshold_times_count_and_frozen_layers_build_no_graph():
    layer = spiking_layer(nn.Linear(6, 5))
    _, spikes = spikes_in((3, 6))
    assert layer(spikes).value.requires_grad
    layer.requires_grad_(False)
    out = layer(spikes)
    assert not out.value.requires_grad
    torch.testing.assert_close(out.value, out.counts * 0.25, check_dtype=False)


def test_windows_of_more_than_32_steps_stay_dense():
    _, spikes = spikes_in((3, 6))
    train = torch.rand(100, 3, 6) < 0.2
    spikes = Spikes(train.sum(0) * 0.5, train, torch.tensor([0.5]), 100)
    layer = ConvertibleLayer(nn.Linear(6, 5))
    layer.convert(SpikingSettings("spiking", num_steps=100), torch.tensor([4.0]))
    out = layer(spikes)
    assert out.train.shape == (100, 3, 5)
    torch.testing.assert_close(out.value, out.train.sum(0) * 0.04)


def test_mistakes_are_told():
    with pytest.raises(TypeError, match="ConvTranspose1d found, one of Linear, Conv1d, Conv2d expected"):
        ConvertibleLayer(nn.ConvTranspose1d(1, 1, 3))
    with pytest.raises(ValueError, match="padding_mode 'reflect' found"):
        ConvertibleLayer(nn.Conv1d(1, 1, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(TypeError, match="LayerNorm found"):
        ConvertibleLayer(nn.Linear(2, 2), nn.LayerNorm(2))
    layer = ConvertibleLayer(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="dead layer"):
        layer.convert(SpikingSettings("spiking"), torch.tensor([0.0]))
    layer.convert(SpikingSettings("spiking"), torch.tensor([1.0]))
    with pytest.raises(ValueError, match="spiking already"):
        layer.convert(SpikingSettings("spiking"), torch.tensor([1.0]))
    with pytest.raises(TypeError, match="was given a tensor, Spikes expected"):
        layer(torch.zeros(1, 2))


def test_a_checkpoint_names_the_same_keys_at_every_stage_and_restores_the_role():
    make = lambda: ConvertibleLayer(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2))  # noqa: E731
    layer, other = make(), make()
    keys = set(layer.state_dict())
    layer.convert(SpikingSettings("encoding", num_steps=7, v_init=0.5), torch.tensor([1.0]))
    assert set(layer.state_dict()) == keys
    other.load_state_dict(layer.state_dict())
    assert other.settings == SpikingSettings("encoding", num_steps=7, v_init=0.5)
    x = torch.randn(4, 3)
    assert torch.equal(other(x).code, layer(x).code)


@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_a_spread_encoding_fires_as_often_as_a_burst_but_over_the_whole_window(v_init):
    torch.manual_seed(0)
    burst = ConvertibleLayer(nn.Linear(5, 40))
    spread = ConvertibleLayer(nn.Linear(5, 40))
    spread.load_state_dict(burst.state_dict())
    burst.convert(SpikingSettings("encoding", num_steps=16, v_init=v_init), torch.ones(1))
    spread.convert(SpikingSettings("encoding", num_steps=16, v_init=v_init, encoding="spread"), torch.ones(1))
    x = torch.randn(200, 5)
    first, second = burst(x), spread(x)
    differ = (first.counts - second.counts).abs()
    assert differ.max() <= 1 and differ.float().mean() < 1e-3  # sixteen additions round otherwise than one product
    half = second.train[:8].sum(0) - second.train[8:].sum(0)
    assert half.abs().max() <= 1  # evenly, where a burst has all in the first half
    assert (first.train[8:].sum(0) == (first.counts - 8).clamp(min=0)).all()


@pytest.mark.parametrize("channel_wise", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_phased_neurons_count_the_whole_current_whatever_the_order_of_the_spikes(case, channel_wise):
    operator, shape = CASES[case]
    _, spikes = spikes_in(shape, channel_wise=channel_wise)
    layer = ConvertibleLayer(operator.double()).double()
    theta = 3.0 / 12
    settings = SpikingSettings("spiking", num_steps=12, v_init=0.5, firing="phased")
    layer.convert(settings, torch.tensor([3.0], dtype=torch.float64))
    with torch.no_grad():
        fired, current = layer(spikes), operator(spikes.value)
        shuffled = spikes.train.bool()[torch.randperm(12, generator=torch.Generator().manual_seed(1))]
        again = layer(Spikes(None, pack(shuffled), spikes.threshold, 12))
    assert torch.equal(fired.counts, (current / theta + 0.5).floor().clamp(0, 12).int())
    assert 0 < fired.counts.float().mean() < 12
    assert torch.equal(again.counts, fired.counts)
    assert torch.equal(fired.train.sum(0).int(), fired.counts)
    assert torch.equal(fired.train[:-1] >= fired.train[1:], torch.ones_like(fired.train[1:], dtype=torch.bool))


def test_phased_firing_has_the_tandem_gradient_of_immediate_firing():
    operator = nn.Conv1d(6, 5, 3, padding=1)
    gradients = []
    for firing in ("immediate", "phased"):
        _, spikes = spikes_in((2, 6, 13), grad=True)
        layer = ConvertibleLayer(copy.deepcopy(operator).double()).double()
        layer.convert(SpikingSettings("spiking", num_steps=12, firing=firing), torch.tensor([3.0], dtype=torch.float64))
        layer(spikes).value.sum().backward()
        gradients.append((spikes.value.grad, layer.operator.weight.grad))
    for immediate, phased in zip(*gradients, strict=True):
        assert immediate.abs().sum() > 0 and torch.equal(immediate, phased)


@pytest.mark.parametrize("role", ["surrogate", "rate"])
def test_neurons_that_others_train_are_not_phased(role):
    with pytest.raises(ValueError, match=f"firing 'phased' of a layer that is {role} found, 'immediate' expected"):
        SpikingSettings(role, num_steps=8, firing="phased")
    with pytest.raises(ValueError, match="firing 'late' found, one of immediate, phased expected"):
        SpikingSettings("spiking", num_steps=8, firing="late")
