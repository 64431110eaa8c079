"""The neurons that a kernel simulates, and the fixed point in which integer ones compute."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from spiking_tasnet.snn.event_source import FRACTION_BITS

__all__ = ["FRACTION_BITS", "Neurons"]


class Neurons(NamedTuple):
    """IF neurons behind an operator: z[t] = W s[t] + current, fired and reset by subtraction at threshold (Eq. 3-6).

    Either all values are floating-point, in activation units, or the weight is int8 and the others are int32.

    Attributes:
        weight: theta_{l-1} W, (out, in / groups, *kernel), the presynaptic thresholds included; or int8, in units of
            its least significant bit.
        current: b / N_s, (out,), which enters at every step; or int32, in units of
            (least significant bit x theta_{l-1}) / 2**FRACTION_BITS.
        threshold: theta_l, (out,), in the dtype and the unit of `current`.
        v_init: V[0] as a fraction of the threshold.
        phased: whether they integrate the currents of all steps before they fire, one spike per step.
    """

    weight: Tensor
    current: Tensor
    threshold: Tensor
    v_init: float = 0.0
    phased: bool = False

    @property
    def start(self) -> Tensor:
        """V[0] of each channel, (out,): v_init x threshold, rounded where the membrane is an integer."""
        if self.threshold.dtype == torch.int32:
            return torch.round(self.threshold.double() * self.v_init).to(torch.int32)
        return self.threshold * self.v_init
