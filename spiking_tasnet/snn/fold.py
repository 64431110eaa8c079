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
        weight, bias = _fold(operator, norm, norm.running_mean.double(), norm.running_var.double())
    return weight.to(operator.weight.dtype), bias.to(operator.weight.dtype)


def live_weights(operator: nn.Module, norm: nn.Module, x: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of `operator` then `norm` as the norm is now, differentiable in all four.

    In training these are the statistics of the batch, and the running ones are brought up to date.

    Args:
        operator: that the norm follows.
        norm: batch norm.
        x: what the operator is given, (batch, in, ...); not read in eval mode.
    """
    if not norm.training:
        return _fold(operator, norm, norm.running_mean, norm.running_var)
    before = operator(x)
    norm(before.detach())  # for its running statistics
    axes = (0, *range(2, before.dim()))
    var, mean = torch.var_mean(before, axes, correction=0)
    return _fold(operator, norm, mean, var)


def _fold(operator: nn.Module, norm: nn.Module, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
    gain = (var + norm.eps).rsqrt()
    if norm.affine:
        gain = gain * norm.weight
    bias = -mean * gain
    if operator.bias is not None:
        bias = bias + operator.bias * gain
    if norm.affine:
        bias = bias + norm.bias
    return operator.weight.to(gain.dtype) * gain.view(-1, *(1,) * (operator.weight.dim() - 1)), bias
