"""What is added to and compared with the sums of integer weights, on a fixed-point grid."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS

MAX_INT32 = 2**31 - 1


def fixed_point(bias: Tensor | None, unit: Tensor, threshold: Tensor, num_steps: int) -> tuple[Tensor, Tensor]:
    """Bias current and threshold of a quantised layer, for exact integer arithmetic.

    Neither is a multiple of what a spike adds at an integer weight of 1, so both are rounded to 2**-FRACTION_BITS of
    that amount, which is what the hardware holds.

    Args:
        bias: as both branches see it, (out,).
        unit: activation units of an incoming spike at an integer weight of 1, (1,) or (out,), float64.
        threshold: theta_l, (out,).
        num_steps: N_s.

    Returns:
        int32 current b / N_s and int32 threshold >= 1, both (out,), in 2**-FRACTION_BITS of the unit.

    Raises:
        ValueError: a threshold so far above the weights that it leaves the range of 32 bits.
    """
    unit = unit / 2**FRACTION_BITS
    current = torch.zeros_like(threshold) if bias is None else bias.detach()
    current = (current.double() / num_steps / unit).round()
    threshold = (threshold.double() / unit).round().clamp(min=1)
    if max(current.abs().max().item(), threshold.max().item()) * num_steps > MAX_INT32:
        raise ValueError("a threshold or bias beyond 32 bits of the weights' grid found: raise weight_bits")
    return current.to(torch.int32), threshold.to(torch.int32)
