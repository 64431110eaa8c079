"""Residual connections in training, the plain network in use.

A dilated layer with as many inputs as outputs is trained as ReLU(BN(conv(x)) + x), which learns faster (He et al.,
2016). After the training the addition becomes part of the convolution: with the batch norm folded, BN(conv(x)) + x is
one convolution whose centre tap has the identity added. So the network in use, and what is converted to spikes, is the
plain one, without a second path.
"""

from __future__ import annotations

import torch
from torch import nn

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import ConvertibleLayer
from spiking_tasnet.snn.fold import folded_weights


def residual_layers(network: TasNet) -> list[ConvertibleLayer]:
    """The dilated layers of equal width in and out; never the 1x1 encoding layer."""
    dilated = list(network.separator)[1:]
    return [layer for layer in dilated if layer.operator.in_channels == layer.operator.out_channels]


@torch.no_grad()
def fold_residuals(network: TasNet) -> None:
    """Make the plain network, in place, that computes what `network` does with its residual connections, in eval mode.

    Each layer of `residual_layers` gets the folded weights with the identity in the centre tap, and a batch norm that
    changes nothing.
    """
    for layer in residual_layers(network):
        weight, bias = folded_weights(layer.operator, layer.norm)
        centre = weight[..., weight.shape[-1] // 2]
        centre += torch.eye(len(centre), dtype=weight.dtype, device=weight.device)
        layer.operator.weight.copy_(weight)
        layer.operator.bias.copy_(bias)
        _make_identity(layer.norm)


def _make_identity(norm: nn.BatchNorm1d) -> None:
    norm.weight.fill_(1)
    norm.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
