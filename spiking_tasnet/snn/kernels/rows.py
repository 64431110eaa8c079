"""Weights and neurons as the event-driven kernel reads them: rows of a block of outputs each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spiking_tasnet.snn.kernels.build import library
from spiking_tasnet.snn.kernels.geometry import FRACTION_BITS, start
from spiking_tasnet.snn.kernels.parallel import spread


class Rows:
    """The neurons of one group of an operator, their number rounded up to whole blocks.

    Packing costs under a hundredth of the simulation, so nothing is kept for the next call: a tensor does not tell
    when its memory is written to from outside.

    Attributes:
        variant: of the kernel. Integer sums lie within what 16 bits hold when the magnitudes of each output's weights
            add up to less than 2**16, else they take 32 bits, four times the memory and the time of float32.
        taps: of a neuron.
    """

    def __init__(self, weight: Tensor, current: Tensor, threshold: Tensor, v_init: float):
        """Pack weight (out, in, *kernel) and the (out,) vectors; see `reference.simulate`."""
        out, fan_in, self.taps = weight.shape[0], weight.shape[1], weight.shape[2:].numel()
        initial, never, negative = start(threshold, v_init), float("inf"), torch.zeros(out)
        self.variant = "float32"
        if weight.dtype == torch.int8:
            never, (negative, positive) = 2**31 - 1, _reach(weight)
            self.variant = "int16" if int((negative + positive).max()) < 1 << 16 else "int32"
        if self.variant == "int16":  # the sums start from the least that they can be
            current = current - (negative << FRACTION_BITS)
            negative = negative.to(torch.int16)
        block = self.function("block")()
        blocks = -(-out // block)
        dtype = torch.int8 if self.variant == "int16" else threshold.dtype
        self._rows = torch.empty(blocks * self.taps * fan_in * block, dtype=dtype)
        spare = (0, blocks * block - out)
        self._vectors = [F.pad(current, spare), F.pad(threshold, spare, value=never), F.pad(initial, spare)]
        self._vectors.append(F.pad(negative, spare))
        given = weight.data_ptr(), out, fan_in, self.taps
        spread(self.function("pack"), given, (0, blocks), (self._rows.data_ptr(),), weight.numel() // blocks)

    def function(self, name: str) -> Callable[..., Any]:
        """The library's function of this name for these weights."""
        return getattr(library(), f"event_{name}_{self.variant}")

    def pointers(self) -> list[int]:
        """Rows, current, threshold, initial and negative, as `event_run` takes them."""
        return [values.data_ptr() for values in (self._rows, *self._vectors)]


def _reach(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The most that the sum of some of an output's weights can be below and above zero, (out,) each."""
    negative, positive = torch.empty(2, weight.shape[0], dtype=torch.int32)
    size = weight[0].numel()
    sums = negative.data_ptr(), positive.data_ptr()
    spread(library().event_reach, (weight.data_ptr(), size), (0, len(weight)), sums, size)
    return negative, positive
