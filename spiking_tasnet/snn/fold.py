"""Folding of batch normalisation into the operator before it (section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.operators import Operator, paddings

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded_weights(operator: Operator, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one operator that equals `operator` then `norm` in eval mode.

    With g = gamma / sqrt(var + eps): W' = g W, b' = g (b - mean) + beta. Computed in float64.

    Raises:
        ValueError: `norm` keeps no running statistics, so it has no fixed effect to fold.
    """
    mean, var = norm.running_mean, norm.running_var
    if mean is None or var is None:
        raise ValueError("batch norm without running statistics found, nothing fixed to fold: set track_running_stats")
    with torch.no_grad():
        weight, bias = _fold(operator, norm, mean.double(), var.double())
    return weight.to(operator.weight.dtype), bias.to(operator.weight.dtype)


def live_weights(operator: Operator, norm: BatchNorm, x: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of `operator` then `norm` as the norm is now, differentiable in all four.

    In training these are the statistics of the batch, and the running ones are brought up to date.

    Args:
        operator: that the norm follows.
        norm: batch norm.
        x: what the operator is given, (batch, in, ...); not read in eval mode.
    """
    if not norm.training and norm.running_mean is not None and norm.running_var is not None:
        return _fold(operator, norm, norm.running_mean, norm.running_var)
    before = operator(x)
    norm(before.detach())  # for its running statistics
    axes = (0, *range(2, before.dim()))
    var, mean = torch.var_mean(before, axes, correction=0)
    return _fold(operator, norm, mean, var)


@torch.no_grad()
def fold_shortcut(operator: Operator, norm: BatchNorm | None) -> None:
    """Make norm(operator(x)) + x one operator, in place: the identity is added to its own tap.

    That is the tap that reads the output's own frame: the centre one, or the last one of a causal operator.

    The operator gets the folded weights and is what is trained from then on. The norm stays in the module, unused, so
    that its checkpoint keeps its names: its statistics are no longer those of what the operator gives, and in training
    it would begin to normalise again.

    Raises:
        ValueError: an operator that does not keep width and length, so there is no tap for the identity.
    """
    if not carries_shortcut(operator):
        raise ValueError(f"{operator} found, one that keeps width and length expected: a shortcut adds input to output")
    weight, bias = (operator.weight, operator.bias) if norm is None else folded_weights(operator, norm)
    weight = weight.clone()
    own = identity_tap(operator, weight)
    own += torch.eye(len(own), dtype=weight.dtype, device=weight.device)
    operator.weight.copy_(weight)
    if norm is not None and operator.bias is not None and bias is not None:
        operator.bias.copy_(bias)
        for values, neutral in _neutral(norm):
            values.fill_(neutral)


def changes_nothing(norm: BatchNorm) -> bool:
    """Whether a batch norm is, in eval mode, the identity that `fold_shortcut` leaves."""
    return all(bool((values == neutral).all()) for values, neutral in _neutral(norm))


def _neutral(norm: BatchNorm) -> Iterator[tuple[Tensor, float]]:
    """Gain, bias, mean and variance of a batch norm, each with the value at which it changes nothing."""
    tensors = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    for values, neutral in zip(tensors, (1, 0, 0, 1 - norm.eps), strict=True):
        if values is not None:
            yield values, neutral


def carries_shortcut(operator: Operator) -> bool:
    """Whether input and output of an operator have one shape, and a tap reads what it writes."""
    if isinstance(operator, nn.Linear):
        return operator.in_features == operator.out_features
    if operator.in_channels != operator.out_channels or operator.groups != 1 or set(operator.stride) != {1}:
        return False
    spans = [gap * (taps - 1) for gap, taps in zip(operator.dilation, operator.kernel_size, strict=True)]
    zeros = paddings(operator)
    whole = all(before % gap == 0 for (before, _), gap in zip(zeros, operator.dilation, strict=True))
    return whole and list(map(sum, zeros)) == spans


def identity_tap(operator: Operator, weight: Tensor) -> Tensor:
    """The part of `weight` that reads the output's own frame, (out, in), a view; the operator carries a shortcut."""
    if isinstance(operator, nn.Linear):
        return weight
    for (before, _), gap in zip(paddings(operator), operator.dilation, strict=True):
        weight = weight.select(2, before // gap)
    return weight


def _fold(operator: Operator, norm: BatchNorm, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
    gain = (var + norm.eps).rsqrt()
    if norm.affine:
        gain = gain * norm.weight
    bias = -mean * gain
    if operator.bias is not None:
        bias = bias + operator.bias * gain
    if norm.affine:
        bias = bias + norm.bias
    return operator.weight.to(gain.dtype) * gain.view(-1, *(1,) * (operator.weight.dim() - 1)), bias
