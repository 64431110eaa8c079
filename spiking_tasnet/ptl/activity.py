"""How sparse an ANN's activations are, to train one that fires few spikes once it is converted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import convertible_layers


def activity(x: Tensor) -> Tensor:
    """Mean of activations over their root mean square, a scalar in float32.

    It is 0 for silence, sqrt(p) where a fraction p of equally strong activations is not zero, and 1 where all are
    equal; it does not change with their scale, so no batch norm can lower it by its gain alone. With n activations
    Hoyer's sparseness (2004) is (sqrt(n) - sqrt(n) * activity) / (sqrt(n) - 1).

    The sums are taken in float32 whatever the precision of `x`.

    Examples:
        >>> activity(torch.tensor([2.0, 0.0, 0.0, 0.0]))
        tensor(0.5000)
    """
    return _Activity.apply(x)


class _Activity(torch.autograd.Function):
    """m / r of n values, with m their mean and r their root mean square.

    The gradient is (1 - m x / r^2) / (n r). Written out it takes one pass over `x`, in the precision of `x`; autograd
    takes ten times as long in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        values = x if x.dtype == torch.float64 else x.float()
        mean, rms = values.mean(), torch.linalg.vector_norm(values) / values.numel() ** 0.5
        rms = torch.where(rms > 0, rms, torch.inf)  # silence: no activity, and no gradient
        ctx.save_for_backward(x, mean, rms)
        return mean / rms

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (grad,), (x, mean, rms) = grad_outputs, ctx.saved_tensors
        scale = grad / (x.numel() * rms)
        return torch.mul(x, -scale * mean / rms**2).add_(scale)


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
