"""Threshold LayerNorm (section 3.3): a layer's threshold from a percentile of its activations."""

from __future__ import annotations

import math

from torch import Tensor


def activation_percentile(activations: Tensor, percentile: float, channel_wise: bool = False) -> Tensor:
    """The activation range a_u of a layer: an exact order statistic (nearest rank), of any number of values.

    `torch.quantile` stops at 2^24 values; `kthvalue` selects among as many as memory holds.

    Args:
        activations: ReLU outputs, (batch, chan, ...), in activation units.
        percentile: in %, 0 < percentile <= 100; the paper uses 99 or 99.9.
        channel_wise: one range per channel. A channel whose own percentile is zero takes that of the layer.

    Returns:
        a_u, (chan,) if channel-wise, else (1,).

    Raises:
        ValueError: a percentile out of range, or a NaN activation.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile {percentile} found, a value in (0, 100] expected")
    if activations.isnan().any():
        raise ValueError("NaN among the activations: the network diverged; train it again with a lower learning rate")
    layer = _order_statistic(activations.reshape(1, -1), percentile)
    if not channel_wise:
        return layer
    channels = _order_statistic(activations.transpose(0, 1).reshape(activations.shape[1], -1), percentile)
    return channels.where(channels > 0, layer)


def _order_statistic(rows: Tensor, percentile: float) -> Tensor:
    rank = max(1, math.ceil(percentile / 100 * rows.shape[1] - 1e-9))
    return rows.kthvalue(rank, dim=1).values
