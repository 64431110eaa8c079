"""The readout of few bits, added up as integers, against the dense one and against float64."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import Constraints, ConvertibleLayer, Spikes, SpikingSettings, kernels
from spiking_tasnet.snn.free_potential import free_neurons, free_potential
from spiking_tasnet.snn.kept import Kept
from spiking_tasnet.snn.operators import apply_operator

OPERATORS = {
    "linear": (nn.Linear(40, 9), (3, 40)),
    "dilated": (nn.Conv1d(24, 40, 3, padding=4, dilation=4), (2, 24, 30)),
    "strided groups": (nn.Conv1d(24, 32, 5, stride=2, groups=2), (1, 24, 30)),
    "image": (nn.Conv2d(8, 16, 3, padding=1), (2, 8, 7, 5)),
}
needs_event = pytest.mark.skipif(not kernels.event.available(), reason="no C compiler")


def spikes(shape, steps, channel_wise=True):
    torch.manual_seed(1)
    code = torch.randint(0, 2**steps, shape, dtype=torch.int64) & torch.randint(0, 2**steps, shape, dtype=torch.int64)
    chan = shape[1] if channel_wise else 1
    return Spikes(None, code.to(torch.int32), torch.rand(chan) + 0.1, steps)


@needs_event
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("steps", [1, 4, 8, 13, 31])
def test_sums_are_exact(name, steps):
    operator, shape = OPERATORS[name]
    x = spikes(shape, steps)
    integers = torch.randint(-127, 128, operator.weight.shape).to(torch.int8)
    found = free_potential(operator, x.code, steps, free_neurons(integers, torch.ones(1), steps))
    expected = apply_operator(operator, x.counts.double(), integers.double())
    assert found.shape == expected.shape and torch.equal(found.double(), expected)


def test_what_could_leave_32_bits_or_has_32_steps_is_left_to_the_dense_product():
    wide = torch.full((2, 65_000), 127, dtype=torch.int8)
    assert free_neurons(wide, torch.ones(1), 8) is None
    assert free_neurons(wide[:, :9], torch.ones(1), 32) is None
    assert free_neurons(wide[:, :9], torch.ones(1), 31) is not None


@needs_event
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("channel_wise, per_channel, rectify", [(True, False, True), (False, True, False)])
def test_a_readout_without_gradients_gives_the_dense_one(name, channel_wise, per_channel, rectify, monkeypatch):
    operator, shape = OPERATORS[name]
    layer = ConvertibleLayer(operator, readout=True, rectify=rectify).eval()
    layer.convert(SpikingSettings("readout", constraints=Constraints(8, per_channel)))
    x = spikes(shape, 8, channel_wise)
    called = []
    monkeypatch.setattr("spiking_tasnet.snn.roles.free_potential", lambda *a: called.append(1) or free_potential(*a))
    expected = layer(x).detach()  # with gradients: the dense one
    assert not called
    with torch.no_grad():
        found = [layer(x)]
        layer.kept = Kept()
        found += [layer(x), layer(x)]
    assert len(called) == 3 and torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
