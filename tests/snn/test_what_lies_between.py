"""What stands between two spiking layers is refused at once; before the first and behind the last it stays analog."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import ConvertibleLayer, convert, convert_layer, convertible_layers, make_convertible
from spiking_tasnet.snn.rehearsal import rehearsed
from spiking_tasnet.snn.settings import ConversionSettings

BATCH = torch.randn(8, 2, 16, generator=torch.Generator().manual_seed(1))


def conv(inputs=8, padding=1):
    return nn.Conv1d(inputs, 8, 3, padding=padding)


def error_of(network, run=False):
    with torch.no_grad():
        network.eval()
        expected = network(BATCH)
        reports = make_convertible(network, run=(lambda: network(BATCH)) if run else None)
        convert(network, lambda: network(BATCH), percentile=100, num_steps=32)
        return ((network(BATCH) - expected).norm() / expected.norm()).item(), reports


@pytest.mark.parametrize(
    ("between", "message"),
    [
        ([nn.ReLU(), nn.BatchNorm1d(8)], "2: BatchNorm1d is behind no operator that it could be folded into"),
        ([nn.ReLU(), nn.GroupNorm(2, 8)], "2: GroupNorm computes with values"),
        ([nn.GroupNorm(2, 8), nn.ReLU()], "0: followed by GroupNorm, ReLU expected"),
        ([nn.InstanceNorm1d(8), nn.ReLU()], "0: followed by InstanceNorm1d, ReLU expected"),
        ([nn.Softplus()], "0: followed by Softplus, ReLU expected"),
        ([nn.ReLU(), nn.Softplus()], "2: Softplus is not ReLU"),
        ([nn.ReLU(), nn.Sigmoid()], "2: Sigmoid is not ReLU"),
        ([nn.ReLU(), nn.LayerNorm(16)], "2: LayerNorm computes with values"),
        ([nn.ReLU(), nn.Upsample(scale_factor=2)], "2: Upsample computes with values"),
        ([nn.ReLU(), nn.AvgPool1d(2)], "2: AvgPool1d reads counts, not spikes: use a strided convolution"),
        ([nn.ReLU(), nn.ConvTranspose1d(8, 8, 3, padding=1)], "2: ConvTranspose1d is not an operator that spikes"),
        ([nn.ReLU6()], "0: followed by ReLU6, ReLU expected"),
        ([nn.BatchNorm1d(8)], "0: followed by Conv1d, ReLU expected"),
        ([nn.ReLU(), conv(), nn.Tanh()], "2: followed by Tanh, ReLU expected.*3: Tanh is not ReLU"),
    ],
)
def test_it_is_refused_at_once(between, message):
    network = nn.Sequential(conv(2), *between, conv(), nn.ReLU(), nn.Conv1d(8, 3, 1))
    before = list(network)
    with pytest.raises(ValueError, match=f"cannot convert: {message}"):
        make_convertible(network)
    assert list(network) == before


@pytest.mark.parametrize(
    "between",
    [[nn.ReLU(), nn.Dropout(0.5)], [nn.ReLU(), nn.ReLU()], [nn.ReLU(), nn.Identity()], [nn.ReLU(), nn.Sequential()]],
)
def test_what_keeps_spikes_may_stand_there(between):
    torch.manual_seed(0)
    network = nn.Sequential(conv(2), *between, conv(), nn.ReLU(), nn.Conv1d(8, 3, 1))
    assert error_of(network)[0] < 0.1


@pytest.mark.parametrize(
    "head",
    [
        lambda: [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3)],
        lambda: [nn.MaxPool1d(2), nn.Flatten(), nn.Linear(64, 3)],
        lambda: [nn.Conv1d(8, 3, 1), nn.Tanh()],
        lambda: [nn.Flatten(), nn.Linear(128, 16), nn.GELU(), nn.Linear(16, 3), nn.Softmax(-1)],
        lambda: [nn.ConvTranspose1d(8, 1, 4, stride=2)],
        lambda: [nn.GroupNorm(2, 8), nn.Conv1d(8, 3, 1)],
        lambda: [nn.Upsample(scale_factor=2)],
    ],
)
def test_a_head_stays_analog_whatever_it_is(head):
    torch.manual_seed(0)  # before any weights are drawn, those of the head too
    network = nn.Sequential(conv(2), nn.ReLU(), conv(), nn.ReLU(), *head())
    error, reports = error_of(network)
    assert error < 0.3
    outcomes = {report.name: report.outcome for report in reports}
    assert outcomes.pop("0") == outcomes.pop("2") == "converted" and set(outcomes.values()) == {"analog"}


@pytest.mark.parametrize(
    "front", [[nn.AvgPool1d(2)], [nn.BatchNorm1d(2)], [nn.Hardtanh()], [nn.AvgPool1d(2), nn.Tanh()]]
)
def test_what_stands_before_the_first_layer_stays_analog(front):
    torch.manual_seed(0)
    network = nn.Sequential(*front, conv(2), nn.ReLU(), conv(), nn.ReLU(), nn.Conv1d(8, 3, 1))
    error, reports = error_of(network)
    assert error < 0.15
    assert str(len(front)) in convertible_layers(network)
    assert reports[0].detail == f"{type(front[0]).__name__} before the first spiking layer"


class ConvBlock(nn.Module):
    """Named like an operator, and a pool inside where it is told so."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class PoolingFlatten(nn.Module):
    """Named like a pool; it only reshapes."""

    def forward(self, x):
        return x.flatten(1)


def test_names_of_classes_are_no_types():
    torch.manual_seed(0)
    block = ConvBlock(conv(), nn.ReLU())
    network = nn.Sequential(
        conv(2), nn.ReLU(), block, PoolingFlatten(), nn.Linear(128, 12), nn.ReLU(), nn.Linear(12, 3)
    )
    assert error_of(network)[0] < 0.15
    assert list(convertible_layers(network)) == ["0", "2.layers.0", "4"]


class Towers(nn.Module):
    """Two parts that read the input each."""

    def __init__(self, *between):
        super().__init__()
        self.left = nn.Sequential(conv(2), nn.ReLU(), conv(), nn.ReLU(), *between)
        self.right = nn.Sequential(conv(2), nn.ReLU(), conv(), nn.ReLU(), *between)
        self.head = nn.Conv1d(16, 3, 1)

    def forward(self, x):
        return self.head(torch.cat([self.left(x), self.right(x)], dim=1))


def test_each_of_two_towers_encodes_its_input():
    torch.manual_seed(0)
    network = Towers()
    assert error_of(network)[0] < 0.15
    roles = {name: layer.role for name, layer in convertible_layers(network).items()}
    assert roles == {"left.0": "encoding", "left.2": "spiking", "right.0": "encoding", "right.2": "spiking"}


def test_towers_are_converted_layer_by_layer_too():
    torch.manual_seed(0)
    network = Towers().eval()
    expected = network(BATCH)
    make_convertible(network)
    for name in convertible_layers(network):
        convert_layer(network, name, lambda: network(BATCH), ConversionSettings(percentile=100))
    assert (network(BATCH) - expected).norm() < 0.15 * expected.norm()


def test_only_a_run_tells_what_lies_between_the_parts_of_a_forward():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="left.4: MaxPool1d reads counts.*it may lie between.*pass run="):
        make_convertible(Towers(nn.MaxPool1d(2)))
    assert error_of(Towers(nn.MaxPool1d(2)), run=True)[0] < 0.15


class Chain(nn.Module):
    """Two parts, one behind the other, with `glue` between."""

    def __init__(self, glue):
        super().__init__()
        self.first, self.second = nn.Sequential(conv(2), nn.ReLU()), nn.Sequential(conv(), nn.ReLU())
        self.head, self.glue = nn.Conv1d(8, 3, 1), glue

    def forward(self, x):
        return self.head(self.second(self.glue(self.first(x))))


GLUE = {
    "AvgPool1d 'glue'": nn.AvgPool1d(2),
    "GroupNorm 'glue'": nn.GroupNorm(2, 8),
    "Softplus 'glue'": nn.Softplus(),
    "something between": lambda x: x * 0.5,
    "something between ": lambda x: F.avg_pool1d(x, 2),
    "something between  ": lambda x: torch.cat([x, x], dim=0),
}


@pytest.mark.parametrize("no_grad", [False, True])
@pytest.mark.parametrize("what", GLUE)
def test_glue_between_two_parts_is_named_before_anything_is_written(what, no_grad):
    torch.manual_seed(0)
    network = Chain(GLUE[what]).eval()
    make_convertible(network)
    before = {name: values.clone() for name, values in network.state_dict().items() if torch.is_tensor(values)}

    def run():
        with torch.set_grad_enabled(not no_grad):
            network(BATCH)

    with pytest.raises(
        ValueError, match=f"layer 'second.0' is given a tensor though .* spike: {what.strip()}.*reads counts"
    ):
        convert(network, run)
    assert not any(layer.is_converted for layer in convertible_layers(network).values())
    assert all(torch.equal(values, network.state_dict()[name]) for name, values in before.items())


@pytest.mark.parametrize("method", ["tandem", "surrogate", "rate"])
def test_every_method_refuses_it(method):
    network = Chain(nn.AvgPool1d(2)).eval()
    make_convertible(network)
    with pytest.raises(ValueError, match="AvgPool1d 'glue' reads counts"):
        convert(network, lambda: network(BATCH), method=method)


def test_glue_that_keeps_spikes_passes():
    torch.manual_seed(0)
    assert error_of(Chain(lambda x: F.relu(x.transpose(1, 2).contiguous().transpose(1, 2))))[0] < 0.15


def test_a_rehearsal_leaves_nothing_behind():
    torch.manual_seed(0)
    network = Chain(nn.Identity()).eval()
    make_convertible(network)
    expected = network(BATCH)
    with rehearsed(network) as rehearsal:
        found = network(BATCH)
    assert torch.equal(found, expected) and rehearsal.given == {"first.0": {"tensor"}, "second.0": {"spikes"}}
    assert type(network(BATCH)) is torch.Tensor and torch.equal(network(BATCH), expected)
    assert all(layer.bypass is None for layer in convertible_layers(network).values())
    assert not any(module._forward_hooks for module in network.modules())


def test_an_operator_and_its_relu_in_two_sequences():
    network = nn.Sequential(nn.Sequential(conv(2)), nn.ReLU(), conv(), nn.ReLU(), nn.Conv1d(8, 3, 1))
    with pytest.raises(
        ValueError, match="0.0: Conv1d and the ReLU behind it are in two nn.Sequential: put them in one"
    ):
        make_convertible(network)


def test_layers_of_ones_own_are_rehearsed_too():
    layers = ConvertibleLayer(conv(2)), nn.Softplus(), ConvertibleLayer(conv())
    network = nn.Sequential(*layers)
    with pytest.raises(ValueError, match="cannot convert: 1: Softplus is not ReLU"):
        make_convertible(network)
    with pytest.raises(ValueError, match="layer '2' is given a tensor .*Softplus '1' reads counts"):
        convert(network, lambda: network(BATCH))
