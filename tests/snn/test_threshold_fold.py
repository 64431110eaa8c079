"""Threshold LayerNorm and the folding of batch norm."""

import math

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import ConvertibleLayer, SpikingSettings
from spiking_tasnet.snn.fold import folded_weights
from spiking_tasnet.snn.operators import apply_operator
from spiking_tasnet.snn.threshold import activation_percentile


@pytest.mark.parametrize("percentile", [50, 99, 99.9, 100])
def test_percentile_is_the_nearest_rank(percentile):
    values = torch.rand(7, 3, 101, generator=torch.Generator().manual_seed(0))
    expected = values.flatten().sort().values[math.ceil(percentile / 100 * values.numel()) - 1]
    assert activation_percentile(values, percentile).item() == expected


def test_more_values_than_torch_quantile_takes():
    values = torch.arange(2**24 + 1000, dtype=torch.float64).view(1, 1, -1)
    assert activation_percentile(values, 99.9).item() == math.ceil(0.999 * values.numel()) - 1


def test_channel_wise_falls_back_on_the_layer_for_a_silent_channel():
    values = torch.ones(4, 3, 10)
    values[:, 1] = 0
    values[:, 2] = 5
    assert activation_percentile(values, 99, channel_wise=True).tolist() == [1, 5, 5]


def test_bad_percentile_and_nan_are_refused():
    with pytest.raises(ValueError, match="percentile 0 found"):
        activation_percentile(torch.ones(1, 1), 0)
    with pytest.raises(ValueError, match="NaN among the activations"):
        activation_percentile(torch.tensor([[math.nan]]), 99)


def used(norm):
    """Give a batch norm statistics and an affine part that are not the neutral ones."""
    generator = torch.Generator().manual_seed(3)
    norm.running_mean.copy_(torch.randn(norm.num_features, generator=generator))
    norm.running_var.copy_(torch.rand(norm.num_features, generator=generator) + 0.05)
    if norm.affine:
        norm.weight.data.copy_(torch.randn(norm.num_features, generator=generator))
        norm.bias.data.copy_(torch.randn(norm.num_features, generator=generator))
    return norm.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("make", "norm", "shape"),
    [
        (lambda bias: nn.Linear(5, 4, bias=bias), nn.BatchNorm1d, (6, 5)),
        (lambda bias: nn.Conv1d(6, 4, 3, padding=2, dilation=2, groups=2, bias=bias), nn.BatchNorm1d, (3, 6, 11)),
        (lambda bias: nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=bias), nn.BatchNorm2d, (3, 2, 7, 9)),
    ],
)
def test_folding_equals_batch_norm_in_eval_mode(make, norm, shape, bias, affine):
    operator, norm = make(bias), used(norm(4, affine=affine, eps=1e-2))
    x = torch.randn(shape)
    folded = apply_operator(operator, x, *folded_weights(operator, norm))
    torch.testing.assert_close(folded, norm(operator(x)), rtol=1e-5, atol=1e-5)


def test_batch_norm_without_statistics_is_refused():
    with pytest.raises(ValueError, match="without running statistics"):
        folded_weights(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False))


@pytest.mark.parametrize("training", [True, False])
def test_both_branches_see_the_same_weights(training):
    # In activation units, at a threshold so fine that counts hardly round, the spiking branch equals the analog one
    # on the folded weights, in training and in eval, also after the folded weights have been trained.
    torch.manual_seed(0)
    layer = ConvertibleLayer(nn.Linear(5, 4), used(nn.BatchNorm1d(4)))
    layer.convert(SpikingSettings("encoding", num_steps=200_000), torch.tensor([2000.0]))
    layer.train(training)
    x = torch.randn(16, 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    for _ in range(2):
        out = layer(x)
        analog = torch.relu(nn.functional.linear(x, *layer.effective_weights()))
        torch.testing.assert_close(out.value, analog, atol=0.0101, rtol=0)
        optimizer.zero_grad()
        out.value.square().sum().backward()
        optimizer.step()
    assert all(parameter.grad is None for parameter in layer.norm.parameters())
