"""A causal network begins with what a trained one that also looks ahead has learned about the past."""

from __future__ import annotations

import dataclasses

import torch

from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import convertible_layers


def differs_in_sight(from_: ModelConfig, to: ModelConfig) -> bool:
    """Whether `to` has the sizes of `from_`, but looks only back, with the same filters or shorter ones."""
    sizes = dataclasses.replace(from_, causal=True, conv_kernel_size=to.conv_kernel_size)
    return to.causal and not from_.causal and sizes == to and to.conv_kernel_size <= from_.conv_kernel_size


@torch.no_grad()
def looking_back(network: TasNet, config: ModelConfig) -> TasNet:
    """A causal copy of an analog network: taps that read the past and the present stay, those that look ahead go.

    What a filter of the causal network reads and `network` did not, starts at zero. All else is copied; the statistics
    of the batch norms are those of `network` and no longer quite right.

    Args:
        network: analog, of sizes that `differs_in_sight` finds alike.
        config: the causal sizes.
    """
    causal = TasNet(config)
    state = network.state_dict()
    for name, layer in convertible_layers(causal).items():
        weight = f"{name}.operator.weight"
        if state[weight].shape[-1] > 1:
            kept = state[weight][..., : network.config.conv_kernel_size // 2 + 1]
            missing = layer.operator.weight.shape[-1] - kept.shape[-1]
            state[weight] = torch.nn.functional.pad(kept, (missing, 0))  # a negative number cuts the earliest taps
    causal.load_state_dict(state)
    return causal.train(network.training)
