"""What every kernel needs to know of an operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from spiking_tasnet.snn.operators import Operator, paddings


class Geometry(NamedTuple):
    """An operator seen as a 2-D convolution over frames, of which Conv1d has width 1 and Linear a single tap.

    Attributes:
        frames: (batch, height, width) of the input.
        out_frames: (batch, out_height, out_width).
        kernel: taps, (height, width); stride, padding (before the first frame) and dilation likewise.
        groups: how many.
        fan_in: input channels of a group.
        fan_out: output channels of a group.
    """

    frames: tuple[int, int, int]
    out_frames: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    fan_in: int
    fan_out: int

    @classmethod
    def of(cls, operator: Operator, shape: torch.Size) -> Geometry:
        """Geometry of `operator` on neurons of `shape`.

        Raises:
            ValueError: the operator has other inputs, or spans more frames than there are.
        """
        linear = isinstance(operator, nn.Linear)
        chan_in = operator.in_features if linear else operator.in_channels
        found = shape[-1] if linear else shape[1]
        if found != chan_in or (not linear and len(shape) != operator.weight.dim()):
            raise ValueError(f"spikes {tuple(shape)} found, {chan_in} inputs expected by {operator}")
        if linear:
            one, frames = (1, 1), (1, shape[:-1].numel(), 1)
            return cls(frames, frames, one, one, (0, 0), one, 1, chan_in, operator.out_features)
        frames = (shape[0], shape[2], shape[3] if len(shape) == 4 else 1)
        kernel, stride, dilation = _pair(operator.kernel_size), _pair(operator.stride), _pair(operator.dilation)
        zeros = paddings(operator)
        padding, total = _pair([before for before, _ in zeros], 0), _pair([sum(both) for both in zeros], 0)
        spans = [reach * (taps - 1) for reach, taps in zip(dilation, kernel, strict=True)]
        height, width = ((frames[1 + a] + total[a] - spans[a] - 1) // stride[a] + 1 for a in range(2))
        if min(height, width) < 1:
            raise ValueError(f"spikes {tuple(shape)} found, fewer frames than the kernel spans: pad them")
        groups = operator.groups
        fans = chan_in // groups, operator.out_channels // groups
        return cls(frames, (shape[0], height, width), kernel, stride, padding, dilation, groups, *fans)


def _pair(values: Sequence[int], missing: int = 1) -> tuple[int, int]:
    return (values[0], values[1] if len(values) == 2 else missing)
