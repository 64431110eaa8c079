"""Folding of batch normalisation into the operator before it (section 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded_weights(operator: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one operator that equals `operator` then `norm` in eval mode.

    With g = gamma / sqrt(var + eps): W' = g W, b' = g (b - mean) + beta. Computed in float64.

    Raises:
        ValueError: `norm` keeps no running statistics, so it has no fixed effect to fold.
    """
    if norm.running_mean is None:
        raise ValueError("batch norm without running statistics found, nothing fixed to fold: set track_running_stats")
    with torch.no_grad():
        gain = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.affine:
            gain = gain * norm.weight.double()
        bias = -norm.running_mean.double() * gain
        if operator.bias is not None:
            bias = bias + operator.bias.double() * gain
        if norm.affine:
            bias = bias + norm.bias.double()
        weight = operator.weight.double() * gain.view(-1, *(1,) * (operator.weight.dim() - 1))
    return weight.to(operator.weight.dtype), bias.to(operator.weight.dtype)
