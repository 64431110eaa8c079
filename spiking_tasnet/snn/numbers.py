"""Numbers that no spikes can stand for: refused, because comparisons with NaN would make silence of them."""

from __future__ import annotations

import math

from torch import Tensor


class NumberError(ValueError):
    """Values that a layer cannot compute with; the layer that meets them adds its name."""


def check_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinite values.

    The sum is finite only if every value is, and is one pass over the memory; only a sum that is not finite is worth
    the second look, which tells an overflow of the sum from such a value.

    Args:
        values: any shape.
        what: they are, for the message.

    Raises:
        NumberError: NaN or infinite values.
    """
    values = values.detach()
    if math.isfinite(values.sum().item()):
        return
    if not bool(values.isfinite().all()):
        raise NumberError(
            f"NaN or infinite values among {what} found, finite ones expected: look for them in the network's input, "
            "and in its weights (a training that diverged: train again with a lower learning rate)"
        )
