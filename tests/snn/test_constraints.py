"""Few bits and few inputs per neuron: what both branches compute with, what training keeps, integers end to end."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import Constraints, ConvertibleLayer, Spikes, SpikingSettings
from spiking_tasnet.snn.constraints import constrained, limit_fan_in, quantise, quantised, violations
from spiking_tasnet.snn.fixed_point import fixed_point
from spiking_tasnet.snn.kernels import FRACTION_BITS
from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.words import pack

SHAPES = {"linear": (7, 40), "conv1d": (7, 12, 3), "conv2d": (7, 6, 3, 3)}


def weights(shape, seed=0):
    """Rows of very different sizes, so that one scale per channel is another grid than one per layer."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.logspace(-2, 1, shape[0]).view(-1, *(1,) * (len(shape) - 1))
    return torch.randn(shape, generator=generator) * rows


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_values_lie_on_at_most_2_to_the_k_minus_1_levels(kind, per_channel, bits):
    weight, constraints = weights(SHAPES[kind]), Constraints(bits, per_channel)
    integers, scale = quantise(weight, constraints)
    values = quantised(weight, constraints)
    assert scale.numel() == (weight.shape[0] if per_channel else 1)
    assert integers.abs().max() == 2 ** (bits - 1) - 1  # the largest weight sits on the largest level
    torch.testing.assert_close(values, integers * scale, rtol=1e-6, atol=1e-7)
    groups = values if per_channel else values.flatten()[None]
    assert all(len(group.unique()) <= 2**bits - 1 for group in groups)
    assert ((values - weight).abs() <= scale / 2 * (1 + 1e-5)).all()  # each weight takes the nearest level
    assert violations(values, None, constraints) == []


def test_biases_share_one_scale_and_are_quantised_too():
    bias = torch.linspace(-3, 2, 11)
    weight, bias_found = constrained(weights((11, 4)), bias, Constraints(4, per_channel=True))
    levels = bias_found * 7 / 3
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-5)
    assert violations(weight, bias_found, Constraints(4, per_channel=True)) == []
    assert "a bias between the levels of 4 bits" in violations(weight, bias, Constraints(4, per_channel=True))[0]


def test_all_zero_weights_and_channels_are_no_division_by_zero():
    weight = weights((3, 5))
    weight[1] = 0
    assert torch.equal(quantised(weight, Constraints(4, per_channel=True))[1], torch.zeros(5))
    assert torch.equal(quantised(torch.zeros(2, 2), Constraints(4)), torch.zeros(2, 2))


def test_the_gradient_goes_straight_to_the_full_precision_copy():
    weight, bias = weights((7, 40)).requires_grad_(), torch.randn(7).requires_grad_()
    found = constrained(weight, bias, Constraints(4))
    upstream = torch.randn(7, 40), torch.randn(7)
    sum((one * other).sum() for one, other in zip(found, upstream, strict=True)).backward()
    assert torch.equal(weight.grad, upstream[0]) and torch.equal(bias.grad, upstream[1])


@pytest.mark.parametrize("kind", SHAPES)
def test_the_largest_inputs_are_kept(kind):
    weight = weights(SHAPES[kind])
    cut = limit_fan_in(weight, 5)
    for before, after in zip(weight.flatten(1), cut.flatten(1), strict=True):
        kept = after != 0
        assert kept.sum() == 5 and torch.equal(after[kept], before[kept])
        assert before[kept].abs().min() >= before[~kept].abs().max()
    assert torch.equal(limit_fan_in(weight, 10_000), weight)


@pytest.mark.parametrize("constraints", [Constraints(fan_in=3), Constraints(4, fan_in=3), Constraints(5, True, 3)])
def test_a_cut_synapse_never_grows_back_while_the_others_train(constraints):
    torch.manual_seed(0)
    layer = ConvertibleLayer(nn.Linear(10, 6), nn.BatchNorm1d(6))
    layer.convert(SpikingSettings("encoding", num_steps=8, constraints=constraints), torch.tensor([2.0]))
    cut, before = layer.operator.weight == 0, layer.operator.weight.detach().clone()
    assert cut.sum() == 6 * 7
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    x = torch.rand(32, 10)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(x).value - 1).square().sum().backward()
        assert not layer.operator.weight.grad[cut].any()
        optimizer.step()
        weight, bias = layer.effective_weights()
        assert violations(weight, bias, constraints) == []
    assert not layer.operator.weight[cut].any()
    assert (layer.operator.weight[~cut] != before[~cut]).all()


@pytest.mark.parametrize("constraints", [Constraints(4), Constraints(6, True), Constraints(4, fan_in=9)])
@pytest.mark.parametrize("training", [True, False])
def test_both_branches_see_the_same_constrained_weights(constraints, training):
    # At thresholds so fine that counting hardly rounds, N_s theta c equals the analog layer on the effective weights.
    torch.manual_seed(1)
    steps = 32
    train = torch.rand(steps, 4, 6, 9) < 0.5
    spikes = Spikes(None, pack(train), torch.tensor([0.3]), steps)
    layer = ConvertibleLayer(nn.Conv1d(6, 5, 3, padding=1), nn.BatchNorm1d(5))
    layer.norm.running_mean.normal_()
    layer.convert(SpikingSettings("spiking", num_steps=steps, constraints=constraints), torch.tensor([400.0]))
    layer.train(training)
    weight, bias = layer.effective_weights()
    assert violations(weight, bias, constraints) == []
    integers, current = layer.neurons(layer.branch(), spikes.threshold)[:2]
    scale = quantise(layer.operator.weight, constraints)[1]
    torch.testing.assert_close(integers * scale, weight, rtol=1e-6, atol=1e-7)
    unit = scale.flatten() * 0.3 / 2**FRACTION_BITS
    torch.testing.assert_close(current * unit, bias / steps, rtol=0, atol=unit.max().item() * 0.51)

    # and the gradient is that of the analog branch on the same weights
    layer.threshold.fill_(0.5)
    upstream = torch.randn(4, 5, 9)
    (layer(spikes).value * upstream).sum().backward()
    found = layer.operator.weight.grad.clone()
    copy = weight.detach().requires_grad_()
    (F.relu(F.conv1d(spikes.value, copy, bias, padding=1)) * upstream).sum().backward()
    expected = copy.grad * (layer.operator.weight != 0) if constraints.fan_in else copy.grad
    torch.testing.assert_close(found, expected)


CASES = {
    "linear": (nn.Linear(30, 9), (3, 30)),
    "conv1d dilated": (nn.Conv1d(6, 9, 3, padding=2, dilation=2), (2, 6, 13)),
    "conv2d strided": (nn.Conv2d(6, 8, 3, stride=2, padding=1), (2, 6, 8, 7)),
}


@pytest.mark.parametrize("v_init", [0.0, 0.5])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_fixed_point_equals_a_float64_simulation_of_the_same_integers(case, per_channel, v_init):
    operator, shape = CASES[case]
    steps, amplitude, theta = 16, torch.tensor([0.37]), 0.61
    train = torch.rand(steps, *shape, generator=torch.Generator().manual_seed(2)) < 0.3
    constraints = Constraints(4, per_channel)
    layer = ConvertibleLayer(operator)
    settings = SpikingSettings("spiking", num_steps=steps, v_init=v_init, constraints=constraints)
    layer.convert(settings, torch.tensor([theta * steps]))
    with torch.no_grad():
        found = layer(Spikes(None, pack(train), amplitude, steps)).train.bool()
        _, bias = layer.effective_weights()
        integers, current, threshold, start, phased = layer.neurons(layer.branch(), amplitude)
        assert start == v_init and not phased
    assert integers.dtype == torch.int8 and current.dtype == threshold.dtype == torch.int32
    shaped = lambda values: values.double().view(-1, *(1,) * (len(shape) - 2))  # noqa: E731
    exact = copy.deepcopy(operator).double()
    exact.weight.data, exact.bias.data = integers.double(), torch.zeros(len(current), dtype=torch.float64)
    with torch.no_grad():
        currents = [exact(step.double()) * 2**FRACTION_BITS + shaped(current) for step in train]
        start = torch.zeros_like(currents[0]) + (shaped(threshold) * v_init).round()
        expected, _ = integrate_and_fire(currents, shaped(threshold), start)
    assert torch.equal(found, expected)
    # and these integers stand for the layer: each within half a unit of what the float layer holds
    unit = quantise(operator.weight, constraints)[1].flatten().double() * amplitude.double() / 2**FRACTION_BITS
    assert ((threshold * unit - layer.threshold).abs() <= unit * 0.5001).all()
    assert ((current * unit - bias.double() / steps).abs() <= unit * 0.5001).all()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_thresholds_of_their_own_below_are_part_of_the_integers(case, per_channel):
    operator, shape = CASES[case]
    torch.manual_seed(3)
    steps, inputs = 8, shape[-1] if isinstance(operator, nn.Linear) else shape[1]
    amplitude = torch.rand(inputs) + 0.1
    spikes = Spikes(None, pack(torch.rand(steps, *shape) < 0.4), amplitude, steps)
    layer = ConvertibleLayer(copy.deepcopy(operator))
    settings = SpikingSettings("spiking", num_steps=steps, v_init=0.5, constraints=Constraints(8, per_channel))
    layer.convert(settings, torch.tensor([2.0]))
    weight, bias = layer.effective_weights(spikes)
    integers, current, threshold = layer.neurons(layer.branch(spikes), amplitude)[:3]
    assert integers.dtype == torch.int8 and current.dtype == threshold.dtype == torch.int32
    # What both branches see is what the integers stand for: weight x amplitude = integer x scale.
    _, scale = layer.integer_weight(amplitude)
    assert scale.numel() == (len(integers) if per_channel else 1)
    by_input = amplitude if isinstance(operator, nn.Linear) else amplitude.view(-1, *(1,) * (weight.dim() - 2))
    torch.testing.assert_close(weight * by_input, integers * scale, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(weight, operator.weight, rtol=0, atol=(scale.max() / amplitude.min()).item() * 0.501)
    # and the spikes are those of a float64 simulation on these weights, but for neurons within a rounding of theta
    exact = copy.deepcopy(operator).double()
    exact.weight.data, exact.bias.data = (weight * by_input).detach().double(), bias.detach().double() / steps
    with torch.no_grad():
        found = layer(spikes).train.bool()
        currents = [exact(step.double()) for step in spikes.train]
        expected, _ = integrate_and_fire(currents, torch.tensor(2.0 / steps, dtype=torch.float64), 0.5)
    assert (found != expected).float().mean() < 0.02 and found.any()


def test_mistakes_are_told():
    for bits in (1, 9):
        with pytest.raises(ValueError, match=f"weight_bits {bits} found, 0 .full precision. or 2 to 8 expected"):
            Constraints(weight_bits=bits)
    with pytest.raises(ValueError, match="fan_in -1 found"):
        Constraints(fan_in=-1)
    with pytest.raises(ValueError, match="batch norm is live found: fold it"):
        SpikingSettings("spiking", folded=False, constraints=Constraints(4))
    with pytest.raises(ValueError, match="beyond 32 bits"):
        fixed_point(None, torch.tensor([1e-10], dtype=torch.float64), torch.tensor([1.0]), 16)
    found = violations(torch.ones(2, 5), None, Constraints(fan_in=4))
    assert found == ["5 inputs per neuron found, at most 4 expected"]


def test_a_checkpoint_keeps_the_constraints():
    make = lambda: ConvertibleLayer(nn.Linear(8, 3))  # noqa: E731
    layer, other = make(), make()
    layer.convert(SpikingSettings("encoding", num_steps=8, constraints=Constraints(4, True, 2)), torch.tensor([1.0]))
    other.load_state_dict(layer.state_dict())
    assert other.settings.constraints == Constraints(4, True, 2)
    x = torch.randn(5, 8)
    assert torch.equal(other(x).code, layer(x).code)
