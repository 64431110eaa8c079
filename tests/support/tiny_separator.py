"""A separation network of a few weights, and a stand-in whose sources are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.snn import Constraints, convert

TINY = ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=16, stride=8, n_blocks=2)
CAUSAL = replace(TINY, causal=True, conv_kernel_size=2)


def tiny_network(spiking: bool = False, config: ModelConfig = TINY) -> TasNet:
    """Untrained, with batch norms that have seen noise, so that its layers fire."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TasNet(config)
        with torch.no_grad():
            for _ in range(20):
                network.train()(0.1 * torch.randn(4, 4000))
            network.eval()
            if spiking:
                convert(network, lambda: network(0.1 * torch.randn(2, 4000)), num_steps=8)
    return network


def few_bit_network(bits: int = 8, per_channel: bool = False, config: ModelConfig = TINY, **options) -> TasNet:
    """`tiny_network`, converted without training to weights of few bits; `options` of `ConversionSettings`."""
    network = tiny_network(config=config)
    given = dict(num_steps=8, v_init=0.5, encoding="spread", channel_wise=True) | options
    constraints = Constraints(weight_bits=bits, per_channel=per_channel)
    mixtures = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(1))
    convert(network, lambda: network(mixtures), constraints=constraints, **given)
    return network


def write_tiny_experiment(folder: Path) -> Path:
    """An experiment folder with an untrained network and its conversion."""
    save_model(folder / "ann" / "model.pt", tiny_network())
    save_model(folder / "snn" / "model.pt", tiny_network(spiking=True))
    return folder


class TwoBands(torch.nn.Module):
    """Splits the mixture into two bands whose sum it is, and gives them at the wrong level and sign."""

    config, is_spiking, receptive_field = TINY, False, 15

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        """(batch, time) -> (batch, 2, time)."""
        kernel = torch.full((1, 1, 15), 1 / 15)
        low = torch.nn.functional.conv1d(mixture[:, None], kernel, padding=7)[:, 0]
        return torch.stack([-3 * low, 0.2 * (mixture - low)], dim=1)
