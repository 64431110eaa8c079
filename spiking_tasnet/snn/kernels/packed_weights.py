"""Weights and neurons as the event-driven kernel reads them: rows of a block of outputs each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spiking_tasnet.snn.kernels.build import library, pointer
from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS, Neurons
from spiking_tasnet.snn.kernels.threads import run_threaded


class PackedWeights:
    """The neurons of one group of an operator, their number rounded up to whole blocks.

    Packing costs under a hundredth of the simulation, so the kernel keeps nothing of its own accord: a tensor does not
    tell when its memory is written to from outside.

    Args:
        neurons: of the group, weight (out, in, *kernel).

    Attributes:
        variant: of the kernel: ``float32``; ``int16`` where integer sums lie within what 16 bits hold, because the
            magnitudes of each output's weights add up to less than 2**16; else ``int32``, which takes four times the
            memory of ``int16`` and the time of ``float32``.
        taps: of a neuron.
    """

    def __init__(self, neurons: Neurons):
        weight, current, threshold = neurons[:3]
        out, fan_in, self.taps = weight.shape[0], weight.shape[1], weight.shape[2:].numel()
        never, negative = float("inf"), torch.zeros(out, dtype=torch.float32)
        self.variant = "float32"
        if weight.dtype == torch.int8:
            never, (negative, positive) = 2**31 - 1, _reach(weight)
            self.variant = "int16" if int((negative + positive).max()) < 1 << 16 else "int32"
        if self.variant == "int16":
            # The kernel's sums count from the least value that they can have, -negative, so that none is below zero.
            # What is too much in every step's sum is taken from the current instead.
            current = current - (negative << FRACTION_BITS)
            negative = negative.to(torch.int16)
        block = self.function("block")()
        blocks = -(-out // block)
        dtype = torch.int8 if self.variant == "int16" else threshold.dtype
        self._rows = torch.empty(blocks * self.taps * fan_in * block, dtype=dtype)
        spare = (0, blocks * block - out)  # outputs that never reach their threshold
        self._vectors = [F.pad(current, spare), F.pad(threshold, spare, value=never), F.pad(neurons.start, spare)]
        self._vectors.append(F.pad(negative, spare))
        given = pointer(weight), out, fan_in, self.taps
        run_threaded(self.function("pack"), given, (0, blocks), (pointer(self._rows),), weight.numel() // blocks)

    def function(self, name: str) -> Callable[..., Any]:
        """The library's function of this name for these weights."""
        return getattr(library(), f"event_{name}_{self.variant}")

    def pointers(self) -> list[Any]:
        """Rows, current, threshold, initial and negative, as `event_run` takes them."""
        return [pointer(values) for values in (self._rows, *self._vectors)]


def _reach(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The most that the sum of some of an output's weights can be below and above zero, (out,) each."""
    negative, positive = torch.empty(2, weight.shape[0], dtype=torch.int32)
    size = weight[0].numel()
    sums = pointer(negative), pointer(positive)
    run_threaded(library().event_reach, (pointer(weight), size), (0, len(weight)), sums, size)
    return negative, positive
