"""The analog separation network computed with channels last: what training spends its time in, at twice the speed.

`TasNet.forward` keeps PyTorch's order (batch, chan, n_frames). Here a frame's channels lie side by side in memory:
encoder, 1x1 convolutions and decoder are matrix products, and a dilated convolution is a 1 x k convolution in the
`channels_last` layout, for which oneDNN has its fastest bfloat16 code. Weights, values and gradients are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.residual import residual_layers
from spiking_tasnet.snn import ConvertibleLayer


def separate_channels_last(network: TasNet, mixture: Tensor, *, residual: bool = False) -> Tensor:
    """Compute what an analog `network` gives.

    Args:
        network: analog.
        mixture: (batch, time).
        residual: compute the layers of `residual_layers` as ReLU(BN(conv(x)) + x).

    Shape:
        mixture (batch, time) -> est_sources (batch, n_src, time).

    Raises:
        ValueError: a mixture shorter than one encoder filter, or a network with spiking layers.
    """
    if network.is_spiking:
        raise ValueError("a network with spiking layers found, an analog one expected; call the network itself")
    config, time = network.config, mixture.shape[-1]
    # (batch, n_frames, kernel_size), copied once: a filter is then one row of a matrix product.
    frames = network.pad(mixture).unfold(-1, config.kernel_size, config.stride).contiguous()
    encoded = F.linear(frames, network.encoder.weight[:, 0]).relu_()  # (batch, n_frames, n_filters)
    norm = network.norm
    x = F.layer_norm(encoded, encoded.shape[-1:], norm.gain[:, 0], norm.bias[:, 0], norm.eps)
    x = x.to(encoded.dtype)
    shortcuts = residual_layers(network) if residual else []
    for layer in network.separator:
        x = _layer(layer, x, layer in shortcuts)
    masks = torch.sigmoid(F.linear(x, network.mask.weight[..., 0], network.mask.bias))
    masks = masks.unflatten(-1, (config.n_src, config.n_filters))
    modulated = masks * encoded.unsqueeze(2)  # (batch, n_frames, n_src, n_filters)
    pieces = F.linear(modulated, network.decoder.weight[:, 0].t())  # (batch, n_frames, n_src, kernel_size)
    return overlap_add(pieces.transpose(1, 2), config.stride)[..., :time]


def _layer(layer: ConvertibleLayer, x: Tensor, residual: bool) -> Tensor:
    """ReLU(BN(conv(x))), or ReLU(BN(conv(x)) + x); (batch, n_frames, in) -> (batch, n_frames, out)."""
    operator = layer.operator
    (dilation,), (padding,) = operator.dilation, operator.padding
    # The image (batch, chan, 1, n_frames) is a view of x, and already in the layout `channels_last`.
    image = x.unsqueeze(1).permute(0, 3, 1, 2)
    if operator.kernel_size == (1,):
        value = F.linear(x, operator.weight[..., 0], operator.bias).unsqueeze(1).permute(0, 3, 1, 2)
    else:
        weight = operator.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        value = F.conv2d(image, weight, operator.bias, padding=(0, padding), dilation=(1, dilation))
    value = _batch_norm(layer, value)
    # In place: no gradient needs what the batch norm gives, and a pass over new memory costs a tenth of the layer.
    value = value.add_(image) if residual else value
    return value.relu_().permute(0, 2, 3, 1).squeeze(1)


def _batch_norm(layer: ConvertibleLayer, value: Tensor) -> Tensor:
    norm = layer.norm
    if norm.training and norm.track_running_stats:
        norm.num_batches_tracked.add_(1)
    return F.batch_norm(
        value, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps
    )


def overlap_add(pieces: Tensor, stride: int) -> Tensor:
    """Sum frames that start `stride` samples apart: the transposed convolution behind its matrix product.

    Shape:
        (..., n_frames, kernel_size) -> (..., (n_frames - 1) * stride + kernel_size).
    """
    *outer, n_frames, kernel_size = pieces.shape
    parts = -(-kernel_size // stride)  # a frame reaches over this many strides
    pieces = F.pad(pieces, (0, parts * stride - kernel_size)).unflatten(-1, (parts, stride))
    total = pieces.new_zeros(*outer, n_frames + parts - 1, stride)
    for part in range(parts):
        total = total + F.pad(pieces[..., part, :], (0, 0, part, parts - 1 - part))
    return total.flatten(-2)[..., : (n_frames - 1) * stride + kernel_size]
