"""What is added to and compared with the sums of integer weights, on a fixed-point grid."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS
from spiking_tasnet.snn.numbers import NumberError

MAX_INT32 = 2**31 - 1
COARSER = "lower weight_bits or num_steps, or limit fan_in"


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
        NumberError: a threshold or bias so far above the weights that it leaves the range of 32 bits.
    """
    unit = unit / 2**FRACTION_BITS
    current = torch.zeros_like(threshold) if bias is None else bias.detach()
    current = (current.double() / num_steps / unit).round()
    threshold = (threshold.double() / unit).round().clamp(min=1)
    if max(current.abs().max().item(), threshold.max().item()) * num_steps > MAX_INT32:
        raise NumberError(f"a threshold or bias beyond 32 bits of the weights' grid found: {COARSER}")
    return current.to(torch.int32), threshold.to(torch.int32)


def check_range(integers: Tensor, current: Tensor, threshold: Tensor, num_steps: int) -> None:
    """Refuse integer neurons whose membrane potential can leave 32 bits: it would wrap, and inhibition would fire.

    The potential is farthest from zero when all inputs of one sign, and no other, spike at every step.

    Args:
        integers: int8 weight, (out, in / groups, *kernel).
        current: int32, (out,), of `fixed_point`.
        threshold: int32, (out,), of `fixed_point`.
        num_steps: N_s.

    Raises:
        NumberError: the potential can leave 32 bits.
    """
    rest = MAX_INT32 - int(threshold.max()) - num_steps * int(current.abs().max())
    if num_steps * (integers[0].numel() * 127 << FRACTION_BITS) <= rest:  # whatever the weights are
        return
    rows = integers.flatten(1)
    reach = max(int(rows.clamp(min=0).sum(1).max()), -int(rows.clamp(max=0).sum(1).min()))
    if num_steps * (reach << FRACTION_BITS) > rest:
        raise NumberError(
            f"a membrane potential that can leave 32 bits found: {num_steps} steps x weights of one sign that add up "
            f"to {reach} per neuron; {COARSER}"
        )
