"""A separator with random weights that fires about as a trained one does, for the benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_tasnet.ptl.end_to_end import calibrate_norms
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet

SMALL = ModelConfig(n_filters=256, kernel_size=32, stride=16, bn_chan=128, hid_chan=128, n_blocks=8)  # mini.yaml's


def mixtures(batch: int, seconds: float, sample_rate: int = 8000, seed: int = 0) -> Tensor:
    """Noise with a rhythm of syllables, (batch, time)."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(int(seconds * sample_rate)) / sample_rate
    rhythm = torch.sin(2 * torch.pi * (3 + torch.rand(batch, 1, generator=generator)) * time).clamp(min=0.05)
    return torch.randn(batch, len(time), generator=generator) * rhythm * 0.1


def random_separator(config: ModelConfig, seed: int = 0) -> TasNet:
    """Random weights (He for the ReLU layers), batch norms that have seen some mixtures."""
    torch.manual_seed(seed)
    network = TasNet(config).train()
    for name, parameter in network.separator.named_parameters():
        if name.endswith("operator.weight"):
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    calibrate_norms(network, lambda: network(mixtures(2, 2.0, config.sample_rate)))
    return network.eval()
