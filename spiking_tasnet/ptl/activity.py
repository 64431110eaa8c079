"""How sparse an ANN's activations are, to train one that fires few spikes once it is converted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import convertible_layers


def activity(x: Tensor) -> Tensor:
    """Mean of activations over their root mean square, a scalar in float32.

    It is 0 for silence, sqrt(p) where a fraction p of equally strong activations is not zero, and 1 where all are
    equal; it does not change with their scale, so no batch norm can lower it by its gain alone. With n activations
    Hoyer's sparseness (2004) is (sqrt(n) - sqrt(n) * activity) / (sqrt(n) - 1).

    Each of the two sums reads `x` once, in its own precision, and adds up in float32.

    Examples:
        >>> activity(torch.tensor([2.0, 0.0, 0.0, 0.0]))
        tensor(0.5000)
    """
    mean = x.mean(dtype=torch.float32)
    norm = torch.linalg.vector_norm(x, dtype=torch.float32)
    return mean * x.numel() ** 0.5 / norm.clamp(min=1e-12)


@contextmanager
def layer_activities(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the `activity` of each analog layer that will spike while the block runs `network` once."""
    found: list[Tensor] = []

    def hook(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        found.append(activity(output))

    layers = [layer for layer in convertible_layers(network).values() if layer.role == "analog" and not layer.readout]
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
