"""Networks from public reports of users of other toolkits: right, or refused with what to do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from spiking_tasnet.snn import (
    ConvertibleLayer,
    convert,
    convertible_layers,
    export_network,
    make_convertible,
    record_cost,
)
from spiking_tasnet.snn.export import read_export

IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def block(inputs, outputs, groups=1, bias=False, stride=1):
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def error_of(network, x=IMAGES, **settings):
    """Warm the norms, convert, and compare with the ANN."""
    for _ in range(5):
        network(2 * torch.rand_like(x))
    with torch.no_grad():
        expected = network.eval()(x)
        make_convertible(network, run=lambda: network(x))
        convert(network, lambda: network(x), **{"num_steps": 32, "percentile": 100} | settings)
        return ((network(x) - expected).norm() / expected.norm()).item()


class Functional(nn.Module):
    """Activations by `F.relu`, which no module shows (SpikingJelly, issue 517: nothing was converted, nothing said)."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8 * 144, 4)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)))).flatten(1))


def test_functional_activations_are_told():
    network = Functional()
    reports = make_convertible(network)
    assert {report.outcome for report in reports} == {"analog"}
    with pytest.raises(ValueError, match="no convertible layer found: compose ConvertibleLayer"):
        convert(network, lambda: network(IMAGES))


def test_one_functional_activation_among_modules_is_refused():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.middle, self.last = block(3, 8), nn.Conv2d(8, 8, 3, padding=1), block(8, 8)

        def forward(self, x):
            return self.last(F.relu(self.middle(self.first(x))))

    network = Mixed().eval()
    make_convertible(network)
    with pytest.raises(ValueError, match="layer 'last.0' is given a tensor .*Conv2d 'middle' reads counts"):
        convert(network, lambda: network(IMAGES))


def test_a_resnet_stem_with_max_pooling_is_refused():
    """SpikingJelly, issue 432: a maximum of spikes is no maximum of rates; the converted network was far off."""
    stem = nn.Sequential(block(3, 8), nn.MaxPool2d(2), block(8, 8), nn.Flatten(), nn.Linear(8 * 64, 4))
    with pytest.raises(ValueError, match="1: MaxPool2d reads counts, not spikes: use a strided convolution"):
        make_convertible(stem)
    torch.manual_seed(0)
    strided = nn.Sequential(block(3, 8, stride=2), block(8, 8), nn.Flatten(), nn.Linear(8 * 64, 4))
    assert error_of(strided) < 0.3  # what the message advises


def test_max_pooling_as_the_last_spatial_layer_is_right():
    """SNN toolbox, issue 10: the branch at the input and the final max pooling failed."""
    torch.manual_seed(0)
    head = nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * 16, 4)
    assert error_of(nn.Sequential(block(3, 8), block(8, 8), *head)) < 0.3


class Shortcut(nn.Module):
    """A sum of two spike trains (Spiking-YOLOv3, issue 39; SpikingJelly, issue 611)."""

    def __init__(self, join):
        super().__init__()
        self.first, self.second, self.third = block(3, 8), block(8, 8), block(8, 8)
        self.join, self.head = join, nn.Linear(8, 4)

    def forward(self, x):
        x = self.first(x)
        return self.head(self.third(self.join(self.second(x), x)).mean((2, 3)))


@pytest.mark.parametrize("join", [lambda x, y: x + y, lambda x, y: torch.maximum(x, y), lambda x, y: (x + y) / 2])
def test_a_shortcut_between_spiking_layers_is_refused(join):
    network = Shortcut(join).eval()
    make_convertible(network)
    with pytest.raises(ValueError, match="layer 'third.0' is given a tensor .*something between .*arithmetic"):
        convert(network, lambda: network(IMAGES))
    assert not any(layer.is_converted for layer in convertible_layers(network).values())


def test_a_shortcut_into_the_head_is_right():
    class Late(Shortcut):
        def forward(self, x):
            x = self.first(x)
            return self.head((self.third(self.second(x)) + x).mean((2, 3)))

    torch.manual_seed(0)
    assert error_of(Late(None)) < 0.3


@pytest.mark.parametrize("join", [lambda x: torch.cat([x, x], 1), lambda x: F.interpolate(x, scale_factor=2)])
def test_joined_and_upsampled_spikes_are_refused_between_layers(join):
    """SpikingJelly, issue 170: concatenation and upsampling."""

    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = block(3, 4), nn.Sequential(nn.LazyConv2d(8, 3, padding=1), nn.ReLU())

        def forward(self, x):
            return self.second(join(self.first(x)))

    network = Joined().eval()
    network(IMAGES)
    with pytest.raises(ValueError, match="layer 'second.0' is given a tensor though layers below it spike"):
        make_convertible(network, run=lambda: network(IMAGES))


@pytest.mark.parametrize("groups", [2, 8])
@pytest.mark.parametrize("bias", [False, True])
def test_batch_norms_behind_grouped_and_depthwise_convolutions(groups, bias):
    """AIMET, issue 284: folding into a depthwise convolution took the wrong axis."""
    torch.manual_seed(0)
    second = block(8, 8, groups=groups, bias=bias)
    network = nn.Sequential(block(3, 8, bias=bias), second, nn.Flatten(), nn.Linear(8 * 256, 4))
    for _ in range(5):
        network(2 * torch.rand_like(IMAGES))
    x = torch.rand(2, 8, 16, 16)
    with torch.no_grad():
        expected = network.eval()[1](x)
        make_convertible(network)
        convert(network, lambda: network(IMAGES), percentile=100)
        (layer,) = network[1]
        torch.testing.assert_close(torch.relu(layer.operator(x)), expected)  # what spikes and gradients compute with
        assert network(IMAGES).isfinite().all()


def test_a_convolution_without_a_bias_is_exported(tmp_path):
    """Norse, pull request 438: the export of a convolution without a bias failed."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False), nn.ReLU())
    make_convertible(network)
    convert(network, lambda: network(IMAGES))
    export_network(network, tmp_path / "net.npz")
    assert all((fields["bias"] == 0).all() for fields in read_export(tmp_path / "net.npz").values())


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, parametrizations.weight_norm, nn.utils.spectral_norm])
def test_copies_of_a_network_with_weight_norm_are_converted_each(norm):
    """DEQ, issue 23: weights that are computed cannot be copied once they have been used."""
    torch.manual_seed(0)
    layers = norm(nn.Linear(8, 8)), nn.ReLU(), norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 2)
    network, x = nn.Sequential(*layers), torch.randn(20, 8)
    make_convertible(network)
    network(x).sum().backward()
    network.eval()
    other = copy.deepcopy(network)
    assert torch.equal(network(x), other(x))
    for each in (network, other):
        each(x).sum().backward()  # both still train
        convert(each, lambda each=each: each(x))
    assert torch.equal(network(x), other(x))
    network(x).sum().backward()
    assert torch.equal(copy.deepcopy(network)(x), network(x))


def test_batches_of_other_sizes():
    """SpikingJelly, issue 369: neurons that are not reset meet a smaller batch."""
    torch.manual_seed(0)
    network = nn.Sequential(block(3, 8), block(8, 8), nn.Flatten(), nn.Linear(8 * 256, 4))
    for method in ("tandem", "rate", "surrogate"):
        each = copy.deepcopy(network)
        error_of(each, method=method)
        with torch.no_grad():
            whole = each(IMAGES)
            for count in (6, 1, 4):
                assert torch.allclose(each(IMAGES[:count]), whole[:count], rtol=1e-4, atol=1e-5)


def test_the_products_of_attention_are_counted():
    """Spiking transformers: counters that know modules only miss query x key."""

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(8, 24)

        def forward(self, x):
            query, key, value = self.project(x).chunk(3, -1)
            return (query @ key.mT) @ value

    network, frames = nn.Sequential(ConvertibleLayer(nn.Linear(8, 8)), Attention()), torch.randn(2, 5, 8)
    convert(network, lambda: network(frames))
    with record_cost(network) as costs:
        network(frames)
    assert costs["1.project"].macs == 2 * 5 * 8 * 24 and costs["1.project"].driven
    assert costs["1"].macs == 2 * 5 * 5 * (8 + 8) and not costs["1"].driven
