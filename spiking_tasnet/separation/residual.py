"""Residual connections in training, the plain network in use.

A dilated layer with as many inputs as outputs is trained as ReLU(BN(conv(x)) + x), which learns faster (He et al.,
2016). After the training the addition becomes part of the convolution: with the batch norm folded, BN(conv(x)) + x is
one convolution whose centre tap has the identity added. So the network in use, and what is converted to spikes, is the
plain one, without a second path.
"""

from __future__ import annotations

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import ConvertibleLayer
from spiking_tasnet.snn.fold import carries_shortcut, fold_shortcut


def residual_layers(network: TasNet) -> list[ConvertibleLayer]:
    """The dilated layers of equal width in and out; never the 1x1 encoding layer."""
    return [layer for layer in list(network.separator)[1:] if carries_shortcut(layer.operator)]


def add_residuals(network: TasNet) -> None:
    """Have the layers of `residual_layers` add their input, in place: another network, to be trained as such."""
    for layer in residual_layers(network):
        layer.shortcut = True


def fold_residuals(network: TasNet) -> None:
    """Make `network`, in place, the plain network that computes what it does with its residual connections."""
    for layer in residual_layers(network):
        if layer.shortcut:
            fold_shortcut(layer)
