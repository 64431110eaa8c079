"""Thresholds of channels go with the axis of the channels: behind a Linear it is the last one."""

import numpy as np
import pytest
import torch
from torch import nn

from spiking_tasnet.snn import Constraints, ConvertibleLayer, check_export, convert, export_network, make_convertible
from spiking_tasnet.snn.export import read_export
from spiking_tasnet.snn.spikes import Spikes

SPREAD = torch.logspace(-2, 1, 12)  # magnitudes of the channels, so that one threshold for all is a poor one


def frames(*layers):
    """Linear layers whose channels differ by a factor of 1000, with the weights above undoing it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), *layers)
    with torch.no_grad():
        network[0].weight.mul_(SPREAD[:, None])
        network[0].bias.mul_(SPREAD)
        network[2].weight.mul_(SPREAD[:, None] / SPREAD)
        network[2].bias.mul_(SPREAD)
        if layers and isinstance(layers[-1], nn.Linear):
            inputs = layers[-1].in_features // 12
            network[-1].weight.div_(SPREAD.repeat(inputs))
    make_convertible(network)
    return network


def error_of(network, x, **settings):
    with torch.no_grad():
        expected = network(x)
        convert(network, lambda: network(x), **{"num_steps": 32, "percentile": 100} | settings)
        return ((network(x) - expected).norm() / expected.norm()).item()


def test_channel_wise_thresholds_of_a_linear_over_time():
    x = torch.randn(40, 5, 6)
    layer_wise = error_of(frames(nn.Linear(12, 3)), x)
    network = frames(nn.Linear(12, 3))
    channel_wise = error_of(network, x, channel_wise=True)
    flat = error_of(frames(nn.Linear(12, 3)), x.flatten(0, 1), channel_wise=True)
    assert channel_wise == pytest.approx(flat, rel=1e-3) and channel_wise < 0.1 < layer_wise
    spikes = network[0](x)
    assert spikes.shape == (40, 5, 12) and spikes.axis == 2
    assert torch.equal(spikes.value, spikes.counts * network[0].threshold)


def test_a_flattened_sequence_of_frames_keeps_the_threshold_of_each_feature(tmp_path):
    x = torch.randn(40, 5, 6)
    network = frames(nn.Flatten(), ConvertibleLayer(nn.Linear(60, 3), readout=True, rectify=False))
    with torch.no_grad():
        network[-1].operator.weight.div_(SPREAD.repeat(5))
    assert error_of(network, x, channel_wise=True) < 0.1
    spikes = network[2](network[1](network[0](x)))
    assert torch.equal(spikes.threshold, network[1].threshold.repeat(5))
    export_network(network, tmp_path / "net.npz")
    amplitude = read_export(tmp_path / "net.npz")["5"]["input_amplitude"]
    assert np.array_equal(amplitude, spikes.threshold.numpy())


@pytest.mark.parametrize("bits", [0, 8])
def test_conv_flatten_linear_can_be_exported(tmp_path, bits):
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Linear(128, 12), nn.ReLU(), nn.Linear(12, 3))
    make_convertible(network)
    x, constraints = torch.randn(20, 2, 16), Constraints(weight_bits=bits)
    assert error_of(network, x, channel_wise=True, constraints=constraints) < 0.3
    export_network(network, tmp_path / "net.npz")
    check_export(tmp_path / "net.npz", constraints)
    fields = read_export(tmp_path / "net.npz")["5"]
    assert fields["flatten"]
    spikes = network[2](network[1](network[0](x)))  # flattened
    if bits:  # the scale of the integers holds the thresholds already
        assert (fields["input_amplitude"] == 1).all()
    else:
        assert np.array_equal(fields["input_amplitude"], spikes.threshold.numpy())
    # The charge of the whole window, from the file alone.
    weight = fields["weight"] * fields.get("scale", np.ones(1)).reshape(-1, 1)
    if bits:
        charge = spikes.counts.numpy() @ weight.T
    else:
        charge = (spikes.counts.numpy() * fields["input_amplitude"]) @ weight.T
    with torch.no_grad():
        branch = network[3].branch(spikes)
        expected = torch.nn.functional.linear(spikes.value, branch.weight)
    np.testing.assert_allclose(charge, expected.numpy(), rtol=1e-4, atol=1e-5)


def spikes_of(shape, axis, seed=0):
    generator = torch.Generator().manual_seed(seed)
    code = torch.randint(0, 256, shape, generator=generator, dtype=torch.int32)
    return Spikes(None, code, torch.rand(shape[axis], generator=generator) + 0.5, 8, axis)


@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 5), 1), ((2, 3, 5), 2), ((2, 3, 4, 5), 1), ((2, 3, 4, 5), -1)])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.flatten(1),
        lambda x: x.transpose(1, 2),
        lambda x: x.transpose(-1, 1),
        lambda x: torch.permute(x, (0, *range(x.dim() - 1, 0, -1))),
        lambda x: x.reshape(1, *x.shape),
        lambda x: x.unsqueeze(1),
        lambda x: x.transpose(1, 2).flatten(1),
    ],
)
def test_reshaped_spikes_have_the_value_of_the_reshaped_value(shape, axis, change):
    spikes = spikes_of(shape, axis)
    changed, expected = change(spikes), change(spikes.value)
    assert changed.shape == expected.shape
    assert torch.equal(getattr(changed, "value", changed), expected)
    dense = Spikes(None, spikes.train.bool(), spikes.threshold, 8, spikes.axis)
    assert torch.equal(getattr(change(dense), "value", change(dense)), expected)


def test_swapped_axes_let_a_convolution_drive_a_linear_over_time():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = ConvertibleLayer(nn.Conv1d(2, 8, 3, padding=1))
            self.second = ConvertibleLayer(nn.Linear(8, 6))
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.second(self.first(x).permute(0, 2, 1)))

    torch.manual_seed(0)
    for channel_wise in (False, True):
        assert error_of(Network(), torch.randn(10, 2, 16), channel_wise=channel_wise) < 0.2


def test_thresholds_along_another_axis_than_the_inputs_are_refused():
    # 16 channels and 16 frames: the number of thresholds fits, their axis does not.
    torch.manual_seed(0)
    network = nn.Sequential(ConvertibleLayer(nn.Conv1d(2, 16, 3, padding=1)), ConvertibleLayer(nn.Linear(16, 4)))
    x = torch.randn(5, 2, 16)
    with pytest.raises(ValueError, match="lie along axis 1 found, axis 2 expected"):
        convert(network, lambda: network(x), channel_wise=True)
        network(x)
