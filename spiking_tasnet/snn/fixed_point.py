"""Weights of few bits as integers, and what is added to and compared with their sums on a fixed-point grid."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_tasnet.snn.constraints import Constraints, quantise
from spiking_tasnet.snn.kernels import FRACTION_BITS

MAX_INT32 = 2**31 - 1


def fixed_point_synapses(
    weight: Tensor,
    bias: Tensor | None,
    constraints: Constraints,
    input_worth: Tensor,
    threshold: Tensor,
    num_steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Synapses of a quantised layer in exact integer arithmetic.

    One unit is the worth of an incoming spike at an integer weight of 1, scale x theta_{l-1}. Bias current and
    threshold are no multiples of it and are rounded to 2**-FRACTION_BITS of it, which is what the hardware holds.

    Args:
        weight: full precision, (out, in / groups, *kernel).
        bias: as both branches see it, (out,).
        constraints: with `weight_bits`.
        input_worth: theta_{l-1}, (1,).
        threshold: theta_l, (out,).
        num_steps: N_s.

    Returns:
        int8 weight, int32 current b / N_s and int32 threshold >= 1, both (out,), in 2**-FRACTION_BITS units.

    Raises:
        ValueError: a threshold so far above the weights that it leaves the range of 32 bits.
    """
    integers, scale = quantise(weight, constraints)
    unit = (scale.flatten().double() * input_worth.double()) / 2**FRACTION_BITS  # (1,) or (out,)
    current = torch.zeros_like(threshold) if bias is None else bias.detach()
    current = (current.double() / num_steps / unit).round()
    threshold = (threshold.double() / unit).round().clamp(min=1)
    if max(current.abs().max().item(), threshold.max().item()) * num_steps > MAX_INT32:
        raise ValueError("a threshold or bias beyond 32 bits of the weights' grid found: raise weight_bits")
    return integers, current.to(torch.int32), threshold.to(torch.int32)
