"""A price on spikes, to add to the loss of a conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import Spikes, convertible_layers


@contextmanager
def trained_spikes(network: nn.Module) -> Iterator[list[Spikes]]:
    """Collect what the layers under training fire while the block runs `network` once.

    In training these are the spikes that carry a gradient; in validation, which has none, the same layers': the first
    with a parameter that is trained, and all that run after it.
    """
    found: list[Spikes] = []
    reached = False

    def hook(layer: nn.Module, _inputs: tuple, output: object) -> None:
        nonlocal reached
        if not isinstance(output, Spikes):
            return
        reached = reached or output.requires_grad or any(value.requires_grad for value in layer.parameters())
        if reached:
            found.append(output)

    handles = [layer.register_forward_hook(hook) for layer in convertible_layers(network).values()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def spikes_per_neuron(spikes: list[Spikes]) -> Tensor:
    """Mean count of each layer, summed over the layers, with the tandem gradient; a scalar, 0 for no layers."""
    total = torch.zeros(())
    for layer in spikes:
        # Summed per channel first: that gradient is one number per channel, expanded, which takes the layout of the
        # gradient that it is added to.
        axes = [axis for axis in range(layer.dim()) if axis != layer.axis]
        counts = layer.value.sum(axes) / layer.threshold
        total = total.to(layer.device) + counts.sum() / layer.value.numel()
    return total
