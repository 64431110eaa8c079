"""Residual connections in training, the plain network in use.

A dilated layer with as many inputs as outputs is trained as ReLU(BN(conv(x)) + x), which learns faster (He et al.,
2016). After the training the addition becomes part of the convolution: with the batch norm folded, BN(conv(x)) + x is
one convolution whose centre tap has the identity added. So the network in use, and what is converted to spikes, is the
plain one, without a second path.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import ConvertibleLayer
from spiking_tasnet.snn.fold import BatchNorm, carries_shortcut, changes_nothing, folded_weights, identity_tap

# Of unfolded weights. The norm behind them undoes any scale, but a step of the optimiser is small or large beside it: a
# folded weight has a root mean square of 0.04, one that was trained for 70 hours 0.6, and at 0.04 a step destroys it.
ROOT_MEAN_SQUARE = 0.5


def residual_layers(network: TasNet) -> list[ConvertibleLayer]:
    """The dilated layers of equal width in and out; never the 1x1 encoding layer."""
    layers = [layer for layer in network.separator if isinstance(layer, ConvertibleLayer)]
    return [layer for layer in layers[1:] if carries_shortcut(layer.operator)]


def add_residuals(network: TasNet) -> None:
    """Have the layers of `residual_layers` add their input, in place: another network, to be trained as such."""
    for layer in residual_layers(network):
        layer.shortcut = True


def fold_residuals(network: TasNet) -> None:
    """Make `network`, in place, the plain network that computes what it does with its residual connections."""
    for layer in residual_layers(network):
        if layer.shortcut:
            layer.fold_shortcut()


def hold_folded(network: TasNet) -> None:
    """Mark the layers, in place, whose batch norm is what folding leaves: models of version 0.1.0 lack the mark.

    Without it these norms would begin to normalise again as soon as the network is trained further.
    """
    for layer in residual_layers(network):
        if not (layer.is_converted or layer.settings.folded) and changes_nothing(_norm(layer)):
            layer.set_folded()


@torch.no_grad()
def unfold_residuals(network: TasNet, run: Callable[[], object]) -> None:
    """Make a plain network residual again, in place, to train it further: what `fold_residuals` did, backwards.

    The identity is taken out of its tap, and the batch norm gets the statistics of what is left, with the gain
    and bias that undo them, so that in eval mode the network computes what it did.

    Args:
        network: plain, analog.
        run: runs it on some training batches, e.g. ``lambda: network(mixture)``.
    """
    layers, scales = residual_layers(network), []
    for layer in layers:
        operator, norm = layer.operator, _norm(layer)
        weight, bias = folded_weights(operator, norm)
        own = identity_tap(operator, weight)
        own -= torch.eye(len(own), dtype=weight.dtype)
        scale = ROOT_MEAN_SQUARE / weight.square().mean().sqrt().clamp(min=1e-8)
        scales.append(scale)
        operator.weight.copy_(weight * scale)
        if operator.bias is not None:
            operator.bias.zero_()
        layer.shortcut = True
        layer.set_folded(False)
        norm.reset_parameters()
        _statistics(norm)[1].fill_(1 - norm.eps)
        norm.weight.div_(scale)
        norm.bias.copy_(bias)
    norms = [_norm(layer) for layer in layers]
    moments = [_Moments(norm) for norm in norms]
    network.eval()
    run()
    for norm, seen, scale in zip(norms, moments, scales, strict=True):
        seen.close()
        (mean, variance), bias = _statistics(norm), norm.bias.clone()
        mean.copy_(seen.mean)
        variance.copy_(seen.variance)
        norm.weight.copy_((seen.variance + norm.eps).sqrt() / scale)
        norm.bias.copy_(bias + seen.mean / scale)


def _norm(layer: ConvertibleLayer) -> BatchNorm:
    """The batch norm of a layer; every layer of a `TasNet` has one."""
    assert layer.norm is not None
    return layer.norm


def _statistics(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Running mean and variance, which the batch norms of a `TasNet` keep."""
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean, norm.running_var


class _Moments:
    """Mean and variance of each channel that enters a batch norm, over all calls."""

    def __init__(self, norm: BatchNorm):
        self.count, self.total = 0, torch.zeros_like(norm.bias).double()
        self.squares = torch.zeros_like(self.total)
        self._handle = norm.register_forward_pre_hook(self._take)

    def _take(self, norm: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].double()
        axes = [0, *range(2, x.dim())]
        self.count += x.numel() // x.shape[1]
        self.total = self.total + x.sum(axes)
        self.squares = self.squares + x.square().sum(axes)

    @property
    def mean(self) -> Tensor:
        return self.total / self.count

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count - self.mean**2

    def close(self) -> None:
        self._handle.remove()
