"""Encoder, mask and decoder of the separation network as matrix products over frames.

PyTorch's own convolutions of a signal of one channel cost as much as a dilated layer on a CPU; a product with the
matrix of filters costs a tenth of it. Values, gradients and parameters are those of the classes that these extend.
What encoder and norm are given in float64 they compute in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.snn.operators import apply_operator


class FrameEncoder(nn.Conv1d):
    """Conv1d(1, n_filters, kernel_size, stride) without bias.

    Shape:
        (batch, 1, time) -> (batch, n_filters, n_frames), channels last in memory.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Cut frames, then multiply."""
        frames = input[:, 0].unfold(-1, self.kernel_size[0], self.stride[0]).contiguous()
        return F.linear(frames, _precise(self.weight[:, 0], frames)).movedim(-1, 1)


class FrameDecoder(nn.ConvTranspose1d):
    """ConvTranspose1d(n_filters, 1, kernel_size, stride) without bias.

    Shape:
        (batch, n_filters, n_frames) -> (batch, 1, (n_frames - 1) * stride + kernel_size).
    """

    # Without `output_size`: the number of frames decides.
    def forward(self, input: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Multiply, then add the overlapping frames."""
        pieces = F.linear(input.movedim(1, -1), self.weight[:, 0].t())  # (batch, n_frames, kernel_size)
        return overlap_add(pieces, self.stride[0]).unsqueeze(1)


class Pointwise(nn.Conv1d):
    """Conv1d of kernel 1 that keeps channels last in memory where they are."""

    def forward(self, input: Tensor) -> Tensor:
        """Multiply."""
        return apply_operator(self, input, self.weight, self.bias)


class FrameNorm(nn.Module):
    """Zero mean and unit variance over the channels of each frame, with trainable gain and bias per channel.

    Shape:
        (batch, chan, n_frames) -> the same.
    """

    def __init__(self, chan: int, eps: float = 1e-8):
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(chan, 1))
        self.bias = nn.Parameter(torch.zeros(chan, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        rows = x.movedim(1, -1)
        gain, bias = _precise(self.gain[:, 0], x), _precise(self.bias[:, 0], x)
        normal = F.layer_norm(rows, rows.shape[-1:], gain, bias, self.eps)
        return normal.to(x.dtype).movedim(-1, 1)


def _precise(values: Tensor, x: Tensor) -> Tensor:
    """Weights in float64 where x is; autocast decides otherwise."""
    return values.double() if x.dtype == torch.float64 else values


def overlap_add(pieces: Tensor, stride: int) -> Tensor:
    """Sum frames that start `stride` samples apart: the transposed convolution behind its matrix product.

    Shape:
        (..., n_frames, kernel_size) -> (..., (n_frames - 1) * stride + kernel_size).
    """
    *outer, n_frames, kernel_size = pieces.shape
    parts = -(-kernel_size // stride)  # a frame reaches over this many strides
    length = (n_frames - 1) * stride + kernel_size
    total = pieces.new_zeros(*outer, n_frames + parts - 1, stride)
    if not pieces.requires_grad:  # in place, which takes half the time; a gradient would need a copy of each sum
        for part, piece in enumerate(pieces.split(stride, dim=-1)):
            total[..., part : part + n_frames, : piece.shape[-1]] += piece
        return total.flatten(-2)[..., :length]
    pieces = F.pad(pieces, (0, parts * stride - kernel_size)).unflatten(-1, (parts, stride))
    for part in range(parts):
        total = total + F.pad(pieces[..., part, :], (0, 0, part, parts - 1 - part))
    return total.flatten(-2)[..., :length]
