"""`Spikes` read like the tensor of their value; what keeps spikes keeps them; nothing changes them in place."""

import operator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import ConvertibleLayer, Spikes, convert, make_convertible


def spikes_of(shape=(4, 6, 10), num_steps=8):
    code = torch.randint(0, 1 << num_steps, shape, generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    return Spikes(None, code, torch.tensor([0.25]), num_steps)


def gru(x):
    torch.manual_seed(0)
    return nn.GRU(10, 4, batch_first=True)(x)[0]


def lstm(x):
    torch.manual_seed(0)
    return nn.LSTM(10, 4, batch_first=True)(x)[0]


def attention(x):
    torch.manual_seed(0)
    return nn.MultiheadAttention(10, 2, batch_first=True)(x, x, x)[0]


HEADS = {
    "mean": lambda x: x.mean(-1),
    "mean over axes": lambda x: x.mean(dim=(1, 2)),
    "max": lambda x: x.max(-1).values,
    "ellipsis": lambda x: x[..., 0],
    "slice": lambda x: x[:, :, -3:],
    "mask": lambda x: x[x > 0.5],
    "sum of two": lambda x: x + x,
    "number first": lambda x: 1 - x,
    "product": lambda x: 2 * x * 0.5,
    "quotient": lambda x: x / 3,
    "inverse": lambda x: 1 / (x + 1),
    "power": lambda x: x**2,
    "power of 2": lambda x: 2**x,
    "negative": lambda x: -x,
    "absolute": abs,
    "matrix product": lambda x: x @ torch.ones(10, 3),
    "matrix product from the left": lambda x: torch.ones(5, 6) @ x,
    "comparison": lambda x: (x > 0.5).float(),
    "equality": lambda x: (x == x).float(),
    "in place on a tensor": lambda x: operator.iadd(x, 1),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "chunks": lambda x: x.chunk(2, 1)[1],
    "cast": lambda x: x.to(torch.float64),
    "float": lambda x: x.float(),
    "detach": lambda x: x.detach().clone(),
    "softmax": lambda x: x.softmax(-1),
    "cat": lambda x: torch.cat([x, x], dim=1),
    "stack": lambda x: torch.stack([x, x]),
    "where": lambda x: torch.where(x > 0.5, x, 0.0),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2),
    "pool": lambda x: F.adaptive_avg_pool1d(x, 1),
    "layer norm": nn.LayerNorm(10),
    "hardtanh in place": nn.Hardtanh(inplace=True),
    "gru": gru,
    "lstm": lstm,
    "attention": attention,
    "iteration": lambda x: torch.stack(list(x)),
    "length": lambda x: torch.tensor(len(x)),
    "axes": lambda x: torch.tensor(x.ndim),
    "elements": lambda x: torch.tensor(x.numel()),
    "like": torch.ones_like,
    "new": lambda x: x.new_ones(3),
    "numpy": lambda x: torch.from_numpy(np.asarray(x)),
    "item": lambda x: torch.tensor(x.sum().item()),
    "all": lambda x: torch.tensor(bool((x >= 0).all())),
    "keyword": lambda x: F.softplus(input=x),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_head_gives_what_it_gives_of_the_value(head):
    spikes = spikes_of()
    before = spikes.value.clone()
    found = HEADS[head](spikes)
    assert isinstance(found, torch.Tensor)
    with torch.no_grad():
        expected = HEADS[head](before.clone())
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert torch.equal(spikes.value, before) and torch.equal(spikes.counts * spikes.threshold, before)


@pytest.mark.parametrize("name", ["dtype", "device", "is_cuda", "shape", "T", "mT", "layout", "ndim", "itemsize"])
@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_attributes_are_those_of_the_value(name):
    spikes = spikes_of()
    found, expected = getattr(spikes, name), getattr(spikes.value, name)
    assert torch.equal(found, expected) if isinstance(found, torch.Tensor) else found == expected


@pytest.mark.parametrize(
    "keep",
    [
        lambda x: x.view(x.shape[0], -1),
        lambda x: x.reshape(len(x), -1),
        lambda x: torch.reshape(x, shape=(4, 60)),
        lambda x: torch.flatten(x, start_dim=1),
        lambda x: x.permute(0, 2, 1),
        lambda x: torch.transpose(x, 1, 2),
        lambda x: x.contiguous(),
        F.relu,
        nn.ReLU(inplace=True),
        torch.relu,
        lambda x: x.relu(),
        nn.Dropout(0.5),
        nn.Dropout1d(0.5),
        nn.AlphaDropout(0.5),
    ],
)
def test_what_only_moves_spikes_keeps_them(keep):
    spikes = spikes_of()
    kept = keep(spikes)
    assert isinstance(kept, Spikes)
    assert kept.counts.sum() == spikes.counts.sum()
    if kept.shape != spikes.shape or isinstance(keep, nn.ReLU):
        assert torch.equal(kept.value, keep(spikes.value))


@pytest.mark.parametrize(
    "change",
    [lambda x: x.add_(1), lambda x: x.clamp_(max=1), torch.relu_, lambda x: torch.sigmoid_(x), lambda x: x.zero_()],
)
def test_a_change_in_place_is_refused(change):
    spikes = spikes_of()
    before = spikes.value.clone()
    with pytest.raises(TypeError, match="_ on Spikes found, which would change them in place; write y = x"):
        change(spikes)
    assert torch.equal(spikes.value, before)


def test_a_name_that_no_tensor_has_is_named():
    with pytest.raises(AttributeError, match="'Spikes' object has no attribute 'meen', and a tensor has none either"):
        _ = spikes_of().meen
    assert not hasattr(spikes_of(), "_private") and not hasattr(spikes_of(), "nosuch")


def test_spikes_are_keys_and_are_shown():
    spikes = spikes_of()
    assert {spikes: 1}[spikes] == 1
    assert f"{spikes}".startswith("Spikes((4, 6, 10), num_steps=8")
    assert f"{spikes.sum():.2f}" == f"{spikes.value.sum():.2f}"


def test_gradients_go_through_what_is_read():
    torch.manual_seed(0)
    network, x = ConvertibleLayer(nn.Conv1d(2, 6, 3)), torch.randn(4, 2, 12)
    convert(network, lambda: network(x))
    gradients = []
    for head in (
        lambda y: (2 * y[..., 0] + y.mean(-1)).sum(),
        lambda y: (2 * y.value[..., 0] + y.value.mean(-1)).sum(),
    ):
        network.zero_grad()
        head(network(x)).backward()
        gradients.append(network.operator.weight.grad.clone())
    assert torch.equal(*gradients) and gradients[0].abs().max() > 0


class Recurrent(nn.Module):
    """Spiking layers, and a head that mixes what it reads in many ways."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1), nn.ReLU())
        self.gru, self.head = nn.GRU(8, 8, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        features = self.layers(x)
        states, _ = self.gru(features.permute(0, 2, 1))
        return self.head(torch.cat([features.mean(-1), states[:, -1]], dim=-1))


def test_a_recurrent_head_is_converted_with_its_network():
    torch.manual_seed(0)
    network, x = Recurrent().eval(), torch.randn(10, 2, 16)
    with torch.no_grad():
        expected = network(x)
        make_convertible(network, run=lambda: network(x))
        convert(network, lambda: network(x), percentile=100)
        assert (network(x) - expected).norm() < 0.1 * expected.norm()
