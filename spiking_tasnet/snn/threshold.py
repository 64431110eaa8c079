"""Threshold LayerNorm (section 3.3): a layer's threshold from a percentile of its activations."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

# (rows, values), percentile in % -> (rows,): the value of nearest rank in each row
OrderStatistic = Callable[[Tensor, float], Tensor]


def activation_percentile(
    activations: Tensor, percentile: float, channel_wise: bool = False, statistic: OrderStatistic | None = None
) -> Tensor:
    """The activation range a_u of a layer: an exact order statistic (nearest rank), of any number of values.

    `torch.quantile` stops at 2^24 values; `kthvalue` selects among as many as memory holds.

    Args:
        activations: ReLU outputs, (batch, chan, ...), in activation units.
        percentile: in %, 0 < percentile <= 100; the paper uses 99 or 99.9.
        channel_wise: one range per channel. A channel whose own percentile is zero takes that of the layer.
        statistic: selects the value of nearest rank; None for `order_statistic`.

    Returns:
        a_u, (chan,) if channel-wise, else (1,).

    Raises:
        ValueError: a percentile out of range, or a NaN activation.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile {percentile} found, a value in (0, 100] expected")
    check_activations(activations)
    statistic = statistic or order_statistic
    layer = statistic(activations.reshape(1, -1), percentile)
    if not channel_wise:
        return layer
    channels = statistic(activations.transpose(0, 1).reshape(activations.shape[1], -1), percentile)
    return channels.where(channels > 0, layer)


def check_activations(activations: Tensor) -> None:
    """Refuse activations that have no percentile.

    Raises:
        ValueError: a NaN.
    """
    if activations.isnan().any():
        raise ValueError("NaN among the activations: the network diverged; train it again with a lower learning rate")


def order_statistic(rows: Tensor, percentile: float) -> Tensor:
    """The value of nearest rank in each of `rows` (rows, values), (rows,)."""
    return rows.kthvalue(nearest_rank(rows.shape[1], percentile), dim=1).values


def nearest_rank(values: int, percentile: float) -> int:
    """The rank of a percentile among `values` values, from 1, the smallest first."""
    return max(1, math.ceil(percentile / 100 * values - 1e-9))
