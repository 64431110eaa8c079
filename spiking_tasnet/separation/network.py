"""The time-domain separation network (section 6.3.2.2 of the paper)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.config import build
from spiking_tasnet.model_file import read_model, write_model
from spiking_tasnet.models import NAMES
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.frames import FrameDecoder, FrameEncoder, FrameNorm, Pointwise
from spiking_tasnet.snn import ConvertibleLayer, convertible_layers
from spiking_tasnet.snn.operators import CausalConv1d

FORMAT = "spiking_tasnet.TasNet"
HINT = f"train one with egs/mini-2mix/run.sh --stage 0, or name one that is shipped ({NAMES})"


def dilated_layer(in_chan: int, config: ModelConfig, block: int) -> ConvertibleLayer:
    """Dilated convolution + BN + ReLU of block `block` (dilation 2**block), of unchanged length; the last reads out."""
    dilation = 2**block
    sizes = in_chan, config.hid_chan, config.conv_kernel_size
    if config.causal:
        convolution = CausalConv1d(*sizes, dilation=dilation, bias=False)
    else:
        padding = dilation * (config.conv_kernel_size - 1) // 2
        convolution = nn.Conv1d(*sizes, padding=padding, dilation=dilation, bias=False)
    return ConvertibleLayer(convolution, nn.BatchNorm1d(config.hid_chan), readout=block == config.n_blocks - 1)


class TasNet(nn.Module):
    """Encoder, mask-estimating separator of convertible layers, decoder.

    Shape:
        mixture (batch, time) -> est_sources (batch, n_src, time); the level of the estimates is free.

    Args:
        config: sizes; `ModelConfig()` is the paper's network.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        chan = config.n_filters
        self.encoder = FrameEncoder(1, chan, config.kernel_size, stride=config.stride, bias=False)
        self.norm = FrameNorm(chan)
        encoding = ConvertibleLayer(nn.Conv1d(chan, config.bn_chan, 1, bias=False), nn.BatchNorm1d(config.bn_chan))
        chans = [config.bn_chan] + [config.hid_chan] * (config.n_blocks - 1)
        dilated = [dilated_layer(in_chan, config, block) for block, in_chan in enumerate(chans)]
        self.separator = nn.Sequential(encoding, *dilated)
        self.mask = Pointwise(config.hid_chan, config.n_src * chan, 1)
        self.decoder = FrameDecoder(chan, 1, config.kernel_size, stride=config.stride, bias=False)

    def forward(self, mixture: Tensor) -> Tensor:
        """Separate.

        Raises:
            ValueError: a mixture shorter than one encoder filter.
        """
        return self.decode(*self.masks(mixture), mixture.shape[-1])

    def masks(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the masks.

        Shape:
            mixture (batch, time) -> masks (batch, n_src, n_filters, n_frames), encoded (batch, n_filters, n_frames).

        Raises:
            ValueError: a mixture shorter than one encoder filter.
        """
        samples, exact = self.pad(mixture).unsqueeze(1), self._encodes_exactly
        encoded = torch.relu(self.encoder(samples.double() if exact else samples))
        x = self.norm(encoded)
        encoded = encoded.to(mixture.dtype) if exact else encoded
        if not keeps_channels_last(x):
            x = x.contiguous()
        masks = self.mask(self.separator(x))
        masks = torch.sigmoid(masks) if masks.requires_grad else masks.sigmoid_()  # new memory costs as much as the sum
        return masks.unflatten(1, (self.config.n_src, self.config.n_filters)), encoded

    def decode(self, masks: Tensor, encoded: Tensor, time: int) -> Tensor:
        """Estimates (batch, n_src, time) of what `masks` gives."""
        # One source after the other: all at once costs copies, and a slow sum in the gradient.
        return torch.cat([self.decoder(mask * encoded) for mask in masks.unbind(1)], dim=1)[..., :time]

    def pad(self, mixture: Tensor) -> Tensor:
        """Complete the last frame with zeros, so every sample is covered (K = (T - L) / stride + 1).

        Raises:
            ValueError: a mixture shorter than one encoder filter.
        """
        time, config = mixture.shape[-1], self.config
        if time < config.kernel_size:
            raise ValueError(f"a mixture of {time} samples found, at least {config.kernel_size} expected")
        return F.pad(mixture, (0, -(time - config.kernel_size) % config.stride))

    @property
    def is_spiking(self) -> bool:
        """Whether any layer spikes."""
        return any(layer.is_converted for layer in convertible_layers(self).values())

    @property
    def _encodes_exactly(self) -> bool:
        """Whether what is encoded is summed in float64.

        A sum of floats depends on its order, which is each library's own, and near a threshold it decides on a spike,
        which can flip many more. In float64 all runtimes, chunks and batches find the same spikes.
        """
        encoding = self.separator[0]
        return isinstance(encoding, ConvertibleLayer) and encoding.role == "encoding" and not torch.is_grad_enabled()

    @property
    def receptive_field(self) -> int:
        """Samples of the mixture that one output sample depends on, at most."""
        frames = 1 + (self.config.conv_kernel_size - 1) * (2**self.config.n_blocks - 1)
        return (frames - 1) * self.config.stride + 2 * self.config.kernel_size - 1


def keeps_channels_last(x: Tensor) -> bool:
    """Whether the separator is faster with the channels of a frame side by side in memory, as the encoder leaves them.

    On a CPU it is, but for a float32 training: there the gradients of oneDNN's 1 x k convolution take twice as long at
    512 channels. GPUs keep PyTorch's order.
    """
    if x.device.type != "cpu":
        return False
    return not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")


def save_model(path: str | Path, network: TasNet, **extra: Any) -> None:
    """Write a model that rebuilds itself from its own stored sizes; `extra` holds plain numbers and text."""
    write_model(path, FORMAT, dataclasses.asdict(network.config), network, **extra)


def load_model(path: str | Path) -> TasNet:
    """Read a model written by `save_model`, in eval mode, as plain tensors and numbers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model of ours, or one whose weights do not fit its own sizes.
    """
    return read_model(path, FORMAT, lambda sizes: TasNet(build(ModelConfig, sizes, str(path))), HINT)
